package peers;

import bench.avro.Transaction;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

/** What the DSL cannot say: dropping copies, and a decision that reads its own features. */
final class Score implements Processor<String, Transaction, String, Score.Scored> {
    record Scored(Transaction transaction, boolean declined, int score) {}

    private static final AtomicBoolean BEGUN = new AtomicBoolean();
    private final boolean keyValueDedup, blob;
    private ProcessorContext<String, Scored> context;
    private KeyValueStore<String, Long> seen;
    private WindowStore<String, Long> seenWindows;
    private Velocity velocity;

    Score(boolean keyValueDedup, boolean blob) {
        this.keyValueDedup = keyValueDedup;
        this.blob = blob;
    }

    @Override public void init(ProcessorContext<String, Scored> given) {
        context = given;
        velocity = blob ? new Velocity.Blob(given) : new Velocity.Panes(given);
        if (!keyValueDedup) {
            seenWindows = given.getStateStore("seen");
            return;
        }
        seen = given.getStateStore("seen");
        // A key-value store never forgets by itself.
        given.schedule(java.time.Duration.ofMillis(Velocity.HOUR), PunctuationType.STREAM_TIME, now -> {
            try (KeyValueIterator<String, Long> all = seen.all()) {
                while (all.hasNext()) {
                    KeyValue<String, Long> entry = all.next();
                    if (entry.value < now - Velocity.HOUR) seen.delete(entry.key);
                }
            }
        });
    }

    private boolean copy(String id, long time) {
        if (keyValueDedup) {
            Long before = seen.get(id);
            if (before != null && Math.abs(before - time) <= Velocity.HOUR) return true;
            seen.put(id, time);
            return false;
        }
        try (WindowStoreIterator<Long> found = seenWindows.fetch(id, time - Velocity.HOUR, time + Velocity.HOUR)) {
            if (found.hasNext()) return true;
        }
        seenWindows.put(id, time, time);
        return false;
    }

    @Override public void process(Record<String, Transaction> record) {
        if (!BEGUN.get() && BEGUN.compareAndSet(false, true)) System.out.println("FIRST");
        Transaction transaction = record.value();
        long amount = transaction.getAmountMinor();
        if (copy(transaction.getId(), record.timestamp())) return;
        velocity.add(record.key(), record.timestamp(), amount);
        boolean declined = velocity.count1m > 10 || velocity.sum1h > 1_000_000;
        long points = 20 * velocity.count1m + velocity.sum1h / 10_000 + amount / 5_000;
        context.forward(record.withValue(new Scored(transaction, declined, (int) Math.min(1000, points))));
    }
}
