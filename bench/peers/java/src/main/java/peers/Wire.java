package peers;

import bench.avro.Decision;
import bench.avro.Settlement;
import bench.avro.Transaction;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificDatumWriter;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/** The Confluent wire format around generated Avro classes: what a SpecificAvroSerde does, without the registry's call. */
final class Wire {
    static Serde<Transaction> transaction() { return serde(new Transaction(), 1); }

    static Serde<Decision> decision() { return serde(new Decision(), 2); }

    static Serde<Settlement> settlement() { return serde(new Settlement(), 3); }

    private static <T extends SpecificRecordBase> Serde<T> serde(T sample, int schemaId) {
        SpecificDatumReader<T> reader = new SpecificDatumReader<>(sample.getSchema());
        SpecificDatumWriter<T> writer = new SpecificDatumWriter<>(sample.getSchema());
        ThreadLocal<BinaryDecoder> decoders = new ThreadLocal<>();
        ThreadLocal<BinaryEncoder> encoders = new ThreadLocal<>();
        Serializer<T> serializer = (topic, value) -> {
            if (value == null) return null;
            try {
                ByteArrayOutputStream out = new ByteArrayOutputStream(128);
                out.write(0);
                for (int shift = 24; shift >= 0; shift -= 8) out.write(schemaId >>> shift);
                BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(out, encoders.get());
                encoders.set(encoder);
                writer.write(value, encoder);
                return out.toByteArray();
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
        Deserializer<T> deserializer = (topic, bytes) -> {
            if (bytes == null) return null;
            try {
                BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(bytes, 5, bytes.length - 5, decoders.get());
                decoders.set(decoder);
                return reader.read(null, decoder);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
        return Serdes.serdeFrom(serializer, deserializer);
    }

    /** Counts and sums, 8 bytes each. */
    static Serde<long[]> longs() {
        return Serdes.serdeFrom((topic, values) -> {
            if (values == null) return null;
            ByteBuffer buffer = ByteBuffer.allocate(8 * values.length);
            for (long value : values) buffer.putLong(value);
            return buffer.array();
        }, (topic, bytes) -> {
            if (bytes == null) return null;
            long[] values = new long[bytes.length / 8];
            ByteBuffer.wrap(bytes).asLongBuffer().get(values);
            return values;
        });
    }
}
