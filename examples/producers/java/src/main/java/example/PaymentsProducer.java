package example;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends payments to the input topic of a Sluice line: BROKERS REGISTRY TOPIC COUNT PREFIX. */
public final class PaymentsProducer {
  public static void main(String[] args) throws Exception {
    String topic = args[2];
    int count = Integer.parseInt(args[3]);
    // The newest registered version, and its id. A producer never registers by itself: `sluice schemas register FILE` does.
    JsonNode registered = newest(args[1], topic + "-value");
    Schema schema = new Schema.Parser().parse(registered.get("schema").asText());
    int id = registered.get("id").asInt();
    Map<String, Object> settings = Map.of(
        "bootstrap.servers", args[0],
        "key.serializer", StringSerializer.class,
        "value.serializer", ByteArraySerializer.class,
        // An acknowledged payment is on all replicas, and a retry makes no copy. (Copies are recognised all the same.)
        "acks", "all",
        "enable.idempotence", true);
    // The default partitioner hashes the key with murmur2, which is what the line expects: none is set.
    try (KafkaProducer<String, byte[]> producer = new KafkaProducer<>(settings)) {
      for (int n = 0; n < count; n++) {
        String payer = "ACC-" + n % 13;
        GenericRecord payment = payment(schema, args[4] + n, payer, 100 + n);
        // The key is the payer account; the partition follows from it.
        producer.send(new ProducerRecord<>(topic, payer, wire(id, schema, payment))).get();
      }
    }
    System.out.println("sent " + count);
  }

  private static GenericRecord payment(Schema schema, String transactionId, String payer, long amountMinor) {
    Schema kind = schema.getField("kind").schema();
    return new GenericRecordBuilder(schema)
        .set("producer", "java-shop")
        .set("transactionId", transactionId)
        .set("kind", new org.apache.avro.generic.GenericData.EnumSymbol(kind, "PAYMENT"))
        .set("occurredAt", System.currentTimeMillis())
        .set("payerAccount", payer)
        .set("payerBank", "bank-a")
        .set("payeeAccount", "PAYEE-1")
        .set("payeeBank", "bank-b")
        .set("amountMinor", amountMinor)
        .set("currency", "EUR")
        .build();
  }

  /** Confluent's wire format: a zero byte, the schema id as a big-endian int32, the Avro bytes. */
  private static byte[] wire(int id, Schema schema, GenericRecord record) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(ByteBuffer.allocate(5).put((byte) 0).putInt(id).array());
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
    new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
    encoder.flush();
    return out.toByteArray();
  }

  private static JsonNode newest(String registry, String subject) throws Exception {
    HttpRequest request = HttpRequest.newBuilder(URI.create(registry + "/subjects/" + subject + "/versions/latest")).build();
    HttpResponse<String> response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 200) throw new IOException(subject + ": " + response.statusCode() + " " + response.body());
    return new ObjectMapper().readTree(response.body());
  }
}
