"""How tests compile: fast, since compiling takes longer than running here.

Users compile at XLA's defaults, as `test_published_flow_holds_at_the_compilers_own_effort` does.
"""

QUICK = " ".join(
    (
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
        "--xla_cpu_parallel_codegen_split_count=1",  # a quarter less processor time
        "--xla_cpu_use_fusion_emitters=false",  # an eighth less
    )
)
