#!/bin/bash
# One run on a v5e slice of 4 x 4 chips through XPK: CLUSTER=... PROJECT=... ZONE=... launch/xpk.sh
# SLICES=2 takes two slices, and wants --config.mesh.dcn=2. Further words go to xpk: --dry-run.
set -euo pipefail

: "${CLUSTER:?}" "${PROJECT:?}" "${ZONE:?}" "${BUCKET:=gs://my-runs}"
IMAGE=${IMAGE:-us-docker.pkg.dev/$PROJECT/daflow/daflow}
MESH=${MESH:---config.mesh.data=1 --config.mesh.fsdp=16}

# XPK restarts after 42 and 127 to 255 by itself; 3 is ours for "another process is gone".
xpk workload create --workload daflow-lift --cluster="$CLUSTER" --project="$PROJECT" --zone="$ZONE" \
    --tpu-type=v5litepod-16 --num-slices="${SLICES:-1}" --docker-image="$IMAGE" \
    --max-restarts=50 --restart-on-exit-codes=3 --termination-grace-period-seconds=180 \
    --command="cd /app && python train.py --config configs/daflow/lift_base.py:$BUCKET/built/youhq \
        --workdir $BUCKET/runs/lift_base --config.checkpoint.init_from=$BUCKET/models/dit4sr $MESH" \
    "$@"
