"""Kafka to Cassandra as a PySpark Structured Streaming job: parse, check, enrich, append. All of it runs in the JVM."""
import os

from pyspark.sql import SparkSession
from pyspark.sql.functions import col, expr, from_json

FIELDS = "id first_name last_name gender address post_code email username dob registered_date phone picture".split()
# By calendar days in UTC, the session's zone. A birthday of 29 February is on 1 March in other years.
AGE = """
    year(timestamp) - year(dob)
    - int(month(timestamp) * 100 + day(timestamp) < month(dob) * 100 + day(dob))
"""
AGE_BAND = """
    CASE WHEN age < 18 THEN '0-17' WHEN age < 25 THEN '18-24' WHEN age < 35 THEN '25-34' WHEN age < 45 THEN '35-44'
         WHEN age < 55 THEN '45-54' WHEN age < 65 THEN '55-64' ELSE '65+' END
"""

env = os.environ
spark = SparkSession.builder.appName("users").getOrCreate()
source = (
    spark.readStream.format("kafka")
    .option("kafka.bootstrap.servers", env["KAFKA_BOOTSTRAP_SERVERS"])
    .option("subscribe", env["KAFKA_TOPIC_USER_DATA"])
    .option("startingOffsets", "earliest")
)
if "MAX_OFFSETS_PER_TRIGGER" in env:
    source = source.option("maxOffsetsPerTrigger", env["MAX_OFFSETS_PER_TRIGGER"])
schema = ", ".join(f"{field} STRING" for field in FIELDS)
users = (
    source.load()
    .select(
        from_json(col("value").cast("string"), schema).alias("user"),
        expr("concat_ws('/', topic, partition, offset) AS source"),
        "timestamp",
    )
    .select("user.*", "source", "timestamp")
    .where("id IS NOT NULL AND email LIKE '%_@_%' AND username IS NOT NULL")
    .withColumn("dob", expr("CAST(dob AS timestamp)"))
    .withColumn("registered_date", expr("CAST(registered_date AS timestamp)"))
    .withColumn("age", expr(AGE))
    .select(
        *FIELDS,
        expr(AGE_BAND).alias("age_band"),
        expr("substring_index(email, '@', -1) AS email_domain"),
        "source",
        expr("'flat' AS schema_id"),
    )
)
query = (
    users.writeStream.format("org.apache.spark.sql.cassandra")
    .option("checkpointLocation", env["WORK"] + "/checkpoint")
    .option("keyspace", env["CASSANDRA_KEYSPACE"])
    .option("table", env["CASSANDRA_TABLE"])
    .outputMode("append")
    .start()
)
query.awaitTermination()
