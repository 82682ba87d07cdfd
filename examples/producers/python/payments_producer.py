"""Sends payments to the input topic of a Sluice line: BROKERS REGISTRY TOPIC COUNT PREFIX [PARTITIONER]."""

import io
import json
import struct
import sys
import time
import urllib.request

import fastavro
from confluent_kafka import Producer

brokers, registry, topic, count, prefix = sys.argv[1:6]
# librdkafka's own default hashes keys with CRC32: payments would land in partitions of others, as dead letters.
partitioner = sys.argv[6] if len(sys.argv) > 6 else "murmur2_random"

# The newest registered version, and its id. A producer never registers by itself: `sluice schemas register FILE` does.
with urllib.request.urlopen(f"{registry}/subjects/{topic}-value/versions/latest") as answer:
    registered = json.load(answer)
schema = fastavro.parse_schema(json.loads(registered["schema"]))


def wire(record):
    """Confluent's wire format: a zero byte, the schema id as a big-endian int32, the Avro bytes."""
    out = io.BytesIO()
    out.write(struct.pack(">bi", 0, registered["id"]))
    fastavro.schemaless_writer(out, schema, record)
    return out.getvalue()


failed = []
producer = Producer(
    {
        "bootstrap.servers": brokers,
        "partitioner": partitioner,
        "acks": "all",
        "enable.idempotence": True,
    }
)
for n in range(int(count)):
    payer = f"ACC-{n % 13}"
    payment = {
        "producer": "python-shop",
        "transactionId": f"{prefix}{n}",
        "kind": "PAYMENT",
        "occurredAt": int(time.time() * 1000),
        "payerAccount": payer,
        "payerBank": "bank-a",
        "payeeAccount": "PAYEE-1",
        "payeeBank": "bank-b",
        "amountMinor": 100 + n,
        "currency": "EUR",
    }
    # The key is the payer account; the partition follows from it.
    producer.produce(
        topic,
        key=payer.encode(),
        value=wire(payment),
        on_delivery=lambda error, _: failed.append(str(error)) if error else None,
    )
producer.flush()
if failed:
    sys.exit(f"{len(failed)} not sent: {failed[0]}")
print(f"sent {count}")
