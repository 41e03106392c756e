# The --set arguments of variant $1, in the array `settings`; sourced by the run scripts of bento and redpanda-connect.
output=output.cassandra
input=input.kafka_franz
case $1 in
  default) settings=() ;;
  batch20) settings=(--set $output.batching.count=20 --set $output.batching.period=5ms --set $output.logged_batch=false) ;;
  logged20) settings=(--set $output.batching.count=20 --set $output.batching.period=5ms) ;;
  tuned) settings=(--set $input.batching.count=50 --set $input.batching.period=5ms --set $output.logged_batch=false
    --set $output.timeout=10s) ;;
  *) echo "no such variant: $1" >&2; exit 64 ;;
esac
