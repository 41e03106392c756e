"""The same loop at its best in one process: the next poll is taken and decoded while the last one is written."""
import gc
import signal
import sys

import orjson
from cassandra.query import BatchStatement, BatchType
from confluent_kafka import TopicPartition

from users import row, table, topic

POLL = 2000
WAIT = 0.05  # seconds; also what a record waits at most for others
BATCH = 40  # about 33 KiB as the server counts; a stock one refuses 50


def batches(insert, messages):
    made = []
    for i in range(0, len(messages), BATCH):
        batch = BatchStatement(BatchType.UNLOGGED)
        for message in messages[i:i + BATCH]:
            if message.error():
                sys.exit(str(message.error()))
            batch.add(insert, row(message, orjson.loads(message.value())))
        made.append(batch)
    return made


def next_offsets(messages):
    ends = {(message.topic(), message.partition()): message.offset() + 1 for message in messages}
    return [TopicPartition(name, partition, offset) for (name, partition), offset in ends.items()]


def finish(consumer, writes, offsets):
    for write in writes:
        write.result()
    if offsets:
        consumer.commit(offsets=offsets, asynchronous=False)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    session, insert = table()
    consumer = topic()
    gc.collect()
    gc.freeze()
    writes, offsets = [], []
    try:
        while True:
            messages = consumer.consume(POLL, timeout=WAIT)
            made = batches(insert, messages)
            finish(consumer, writes, offsets)
            writes = [session.execute_async(batch) for batch in made]
            offsets = next_offsets(messages)
    finally:
        finish(consumer, writes, offsets)
        consumer.close()


main()
