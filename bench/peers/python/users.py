"""From a record to the arguments of the insert, and both connections; shared by the variants."""
import os
from datetime import datetime, timezone
from uuid import UUID

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy
from confluent_kafka import Consumer

COLUMNS = (
    "id first_name last_name gender address post_code email username dob registered_date phone picture "
    "age_band email_domain source schema_id"
).split()
BANDS = [(17, "0-17"), (24, "18-24"), (34, "25-34"), (44, "35-44"), (54, "45-54"), (64, "55-64")]


def age_band(born, day):
    """`born` and `day` are (year, month, day)."""
    age = day[0] - born[0] - (day[1:] < born[1:])
    return next((band for last, band in BANDS if age <= last), "65+")


def row(message, user):
    """The insert's arguments for a record and its decoded value."""
    born = instant(user["dob"])
    day = datetime.fromtimestamp(message.timestamp()[1] / 1000, timezone.utc)
    return (
        UUID(user["id"]), user["first_name"], user["last_name"], user["gender"], user["address"], user["post_code"],
        user["email"], user["username"], born, instant(user["registered_date"]), user["phone"], user["picture"],
        age_band((born.year, born.month, born.day), (day.year, day.month, day.day)),
        user["email"].rpartition("@")[2],
        f"{message.topic()}/{message.partition()}/{message.offset()}",
        "flat",
    )


def instant(text):
    """RFC 3339 in UTC; the driver takes dates without a zone as UTC."""
    return datetime.fromisoformat(text.rstrip("Z"))


def table():
    """A session and the prepared insert."""
    env = os.environ
    profile = ExecutionProfile(
        consistency_level=ConsistencyLevel.name_to_value[env["CASSANDRA_CONSISTENCY"]],
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy()),
    )
    hosts = env["CASSANDRA_HOSTS"].split(",")
    cluster = Cluster(hosts, port=int(env["CASSANDRA_PORT"]), execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    session = cluster.connect(env["CASSANDRA_KEYSPACE"])
    marks = ", ".join("?" * len(COLUMNS))
    insert = session.prepare(f"INSERT INTO {env['CASSANDRA_TABLE']} ({', '.join(COLUMNS)}) VALUES ({marks})")
    return session, insert


def topic():
    """A consumer of the topic from its beginning, without automatic commits."""
    env = os.environ
    consumer = Consumer({
        "bootstrap.servers": env["KAFKA_BOOTSTRAP_SERVERS"],
        "group.id": env["KAFKA_GROUP_ID"],
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    })
    consumer.subscribe([env["KAFKA_TOPIC_USER_DATA"]])
    return consumer
