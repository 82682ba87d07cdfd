package peers;

import bench.avro.Decision;
import bench.avro.Settlement;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/**
 * pay-1 on Kafka Streams, exactly once: DSL for source, sinks, repartition, settlement windows and suppress, and one
 * processor for what the DSL cannot say. Prints FIRST at the first record and DROPPED with what it dropped at the end.
 */
public final class KafkaStreamsPeer {
    public static void main(String[] args) throws Exception {
        Map<String, String> options = new HashMap<>();
        for (int k = 0; k + 1 < args.length; k += 2) options.put(args[k].substring(2), args[k + 1]);
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, options.get("app"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.get("brokers"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, options.get("state"));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, "1");
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "100");
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        KafkaStreams streams = new KafkaStreams(new KafkaStreamsPeer(options).topology(), settings);
        CountDownLatch end = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.metrics().forEach((name, metric) -> {
                boolean some = name.name().equals("dropped-records-total") && !metric.metricValue().equals(0.0);
                if (some) System.out.println("DROPPED " + metric.metricValue());
            });
            streams.close(Duration.ofSeconds(10));
            end.countDown();
        }));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        end.await();
    }

    private final Map<String, String> options;
    private final boolean memory, keyValueDedup, blob;
    private final Duration hour = Duration.ofHours(1), keep = Duration.ofMinutes(70), minute = Duration.ofMinutes(1);

    private KafkaStreamsPeer(Map<String, String> options) {
        this.options = options;
        memory = options.get("stores").equals("memory");
        // In memory a window store is ordered by time first: a fetch of one key would visit every instant of two hours.
        keyValueDedup = options.get("dedup").equals("kv");
        blob = options.get("velocity").equals("blob");
    }

    private Topology topology() {
        StreamsBuilder builder = new StreamsBuilder();
        builder.addStateStore(keyValueDedup ? keyValue("seen", Serdes.Long()) : window("seen", Serdes.Long(), keep, hour));
        if (blob) builder.addStateStore(keyValue("velocity", Wire.longs()));
        else {
            builder.addStateStore(window("minute", Wire.longs(), Duration.ofMinutes(10), minute));
            builder.addStateStore(window("hour", Wire.longs(), keep, Duration.ofMinutes(5)));
        }
        List<String> stores = blob ? List.of("seen", "velocity") : List.of("seen", "minute", "hour");
        KStream<String, Score.Scored> scored = builder
            .stream(options.get("input"), Consumed.with(Serdes.String(), Wire.transaction()))
            .process(() -> new Score(keyValueDedup, blob), stores.toArray(new String[0]));
        scored
            .mapValues(s -> new Decision(s.transaction().getId(), s.declined() ? "DECLINED" : "APPROVED", s.score()))
            .to(options.get("decisions"), Produced.with(Serdes.String(), Wire.decision()));
        settle(scored);
        return builder.build();
    }

    private void settle(KStream<String, Score.Scored> scored) {
        Duration grace = Duration.ofMillis(Long.parseLong(options.get("grace")));
        Materialized<String, long[], WindowStore<Bytes, byte[]>> stored = memory
            ? Materialized.as(Stores.inMemoryWindowStore("settlement", minute.plus(grace), minute, false))
            : Materialized.as("settlement");
        KTable<Windowed<String>, long[]> sums = scored
            .filter((key, s) -> !s.declined())
            .map((key, s) -> KeyValue.pair(pair(s), s.transaction().getAmountMinor()))
            .groupByKey(Grouped.with("settle", Serdes.String(), Serdes.Long()))
            .windowedBy(TimeWindows.ofSizeAndGrace(minute, grace))
            .aggregate(() -> new long[2], (key, amount, sum) -> new long[]{sum[0] + amount, sum[1] + 1},
                stored.withKeySerde(Serdes.String()).withValueSerde(Wire.longs()));
        sums.suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()).withName("close"))
            .toStream()
            .map((window, sum) -> {
                String[] key = window.key().split("\\|");
                return KeyValue.pair(window.key(),
                    new Settlement(key[0], key[1], key[2], window.window().start(), sum[0], sum[1]));
            })
            .to(options.get("settlements"), Produced.with(Serdes.String(), Wire.settlement()));
    }

    private static String pair(Score.Scored scored) {
        var transaction = scored.transaction();
        return transaction.getPayerBank() + "|" + transaction.getPayeeBank() + "|" + transaction.getCurrency();
    }

    private <V> StoreBuilder<?> keyValue(String name, Serde<V> values) {
        var supplier = memory ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name);
        return Stores.keyValueStoreBuilder(supplier, Serdes.String(), values);
    }

    private <V> StoreBuilder<?> window(String name, Serde<V> values, Duration keep, Duration size) {
        var supplier = memory
            ? Stores.inMemoryWindowStore(name, keep, size, false)
            : Stores.persistentWindowStore(name, keep, size, false);
        return Stores.windowStoreBuilder(supplier, Serdes.String(), values);
    }
}
