#!/bin/bash
#SBATCH --job-name=daflow-lift
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --gpu-bind=none
#SBATCH --cpus-per-task=12
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=TERM@180
# One task for each GPU, and every task sees all GPUs of its node (do not use --gpus-per-task); three
# minutes to finish a step and save. WORKDIR is a folder that all nodes see, or gs://BUCKET/FOLDER.
: "${WORKDIR:=$SCRATCH/runs/lift}"

srun --kill-on-bad-exit=1 python train.py --config configs/daflow/lift_base.py \
    --workdir "$WORKDIR" --config.mesh.data=2 --config.mesh.fsdp=8 \
    --config.train.accumulate=2 --config.data.num_workers=8
code=$?
if [ $code -eq 143 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit $code
