package peers;

import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.WindowStoreIterator;

/** Count over the payer's tumbling minute, sum over the hopping hour that has seen most; this payment included. */
abstract class Velocity {
    static final long MINUTE = 60_000, FIVE = 300_000, HOUR = 3_600_000;
    long count1m, sum1h;

    abstract void add(String payer, long time, long amount);

    /** Two window stores, the hour as panes of five minutes: one write and one range fetch each. */
    static final class Panes extends Velocity {
        private final WindowStore<String, long[]> minute, hour;

        Panes(ProcessorContext<?, ?> context) {
            minute = context.getStateStore("minute");
            hour = context.getStateStore("hour");
        }

        @Override void add(String payer, long time, long amount) {
            long start = time - Math.floorMod(time, MINUTE);
            long[] found = minute.fetch(payer, start);
            long[] now = found == null ? new long[]{1, amount} : new long[]{found[0] + 1, found[1] + amount};
            minute.put(payer, now, start);
            count1m = now[0];
            long five = time - Math.floorMod(time, FIVE);
            long[] own = null;
            sum1h = amount;
            try (WindowStoreIterator<long[]> panes = hour.fetch(payer, five - HOUR + FIVE, five)) {
                while (panes.hasNext()) {
                    KeyValue<Long, long[]> pane = panes.next();
                    sum1h += pane.value[1];
                    if (pane.key == five) own = pane.value;
                }
            }
            hour.put(payer, own == null ? new long[]{1, amount} : new long[]{own[0] + 1, own[1] + amount}, five);
        }
    }

    /** One key-value entry per payer with every minute and pane in it: what an expert writes for speed. */
    static final class Blob extends Velocity {
        private final KeyValueStore<String, long[]> store;

        Blob(ProcessorContext<?, ?> context) { store = context.getStateStore("velocity"); }

        /** [minutes, (minute, count, sum)*, (pane, count, sum)*] */
        @Override void add(String payer, long time, long amount) {
            long[] before = store.get(payer);
            List<long[]> minutes = new ArrayList<>(3), panes = new ArrayList<>(13);
            if (before != null) {
                int split = 1 + 3 * (int) before[0];
                for (int at = 1; at < before.length; at += 3) {
                    (at < split ? minutes : panes).add(new long[]{before[at], before[at + 1], before[at + 2]});
                }
            }
            long five = time / FIVE;
            count1m = bump(minutes, time / MINUTE, amount, 2)[1];
            bump(panes, five, amount, 13);
            sum1h = 0;
            for (long[] pane : panes) if (pane[0] <= five && pane[0] > five - 12) sum1h += pane[2];
            long[] after = new long[1 + 3 * (minutes.size() + panes.size())];
            after[0] = minutes.size();
            int at = 1;
            for (List<long[]> slots : List.of(minutes, panes)) {
                for (long[] slot : slots) for (long value : slot) after[at++] = value;
            }
            store.put(payer, after);
        }

        /** Adds to the slot, keeping the newest `keep` of them. */
        private static long[] bump(List<long[]> slots, long number, long amount, int keep) {
            for (long[] slot : slots) {
                if (slot[0] != number) continue;
                slot[1]++;
                slot[2] += amount;
                return slot;
            }
            long[] added = {number, 1, amount};
            slots.add(added);
            if (slots.size() > keep) {
                int oldest = 0;
                for (int k = 1; k < slots.size(); k++) if (slots.get(k)[0] < slots.get(oldest)[0]) oldest = k;
                slots.remove(oldest);
            }
            return added;
        }
    }
}
