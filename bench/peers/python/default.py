"""Kafka to Cassandra as it is usually written: poll, decode, write in batches, commit, again."""
import json
import signal
import sys

from cassandra.concurrent import execute_concurrent
from cassandra.query import BatchStatement, BatchType

from users import row, table, topic

POLL = 500
BATCH = 10


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    session, insert = table()
    consumer = topic()
    try:
        while True:
            messages = consumer.consume(POLL, timeout=1.0)
            batches = []
            for i in range(0, len(messages), BATCH):
                batch = BatchStatement(BatchType.UNLOGGED)
                for message in messages[i:i + BATCH]:
                    if message.error():
                        sys.exit(str(message.error()))
                    batch.add(insert, row(message, json.loads(message.value())))
                batches.append((batch, None))
            if batches:
                execute_concurrent(session, batches, raise_on_first_error=True)
                consumer.commit(asynchronous=False)
    finally:
        consumer.close()


main()
