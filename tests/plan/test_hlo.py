"""Reading compiled programs: groups of devices, loops, products, large buffers."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from daflow_jax import sharding
from daflow_jax.plan import compiled, groups, hlo
from daflow_jax.profiling import flops

SIZES = {"data": 2, "fsdp": 2, "seq": 2, "tensor": 1}


@pytest.mark.parametrize(
    ("text", "expected", "over"),
    [
        ("replica_groups={{0,1},{2,3},{4,5},{6,7}}", [[0, 1], [2, 3], [4, 5], [6, 7]], ("seq",)),
        ("replica_groups=[4,2]<=[8]", [[0, 1], [2, 3], [4, 5], [6, 7]], ("seq",)),
        ("replica_groups=[2,4]<=[8]", [[0, 1, 2, 3], [4, 5, 6, 7]], ("fsdp", "seq")),
        ("replica_groups=[4,2]<=[2,4]T(1,0)", [[0, 4], [1, 5], [2, 6], [3, 7]], ("data",)),
        (
            "replica_groups=[4,2]<=[2,2,2]T(0,2,1), use_global_device_ids=true",
            [[0, 2], [1, 3], [4, 6], [5, 7]],
            ("fsdp",),
        ),
        ("replica_groups=mesh['a'=4,'b'=2] {'b'}, x", [[0, 1], [2, 3], [4, 5], [6, 7]], ("seq",)),
        (
            "replica_groups=mesh['a'=2,'b'=1,'c'=4], device_ids=([2,2,2]T(1,0,2)) {'a'}, x",
            [[0, 2], [1, 3], [4, 6], [5, 7]],
            ("fsdp",),
        ),
        (
            "replica_groups=mesh['a'=8] {'a':(2)2}, dimensions={0}",
            [[0, 2], [1, 3], [4, 6], [5, 7]],
            ("fsdp",),
        ),
        ("source_target_pairs={{0,4},{4,0}}", [[0, 4], [4, 0]], ("data",)),
    ],
)
def test_groups_in_every_notation(text, expected, over):
    found = groups.parse(f"(%x), channel_id=1, {text}")
    assert sorted(map(sorted, found.tolist())) == sorted(map(sorted, expected))
    assert groups.axes(found, SIZES) == over


def test_unknown_notation_is_refused():
    with pytest.raises(ValueError, match="no replica groups"):
        groups.parse("replica_groups=<new>")


TEXT = """HloModule jit_f, is_scheduled=true

%sum (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %c = f32[] add(%a, %b)
}

%inside (p: f32[8,16]) -> f32[8,8] {
  %p = f32[8,16]{1,0:T(8,128)} parameter(0)
  %k = f32[16,8]{1,0} constant({...})
  ROOT %conv = f32[8,8]{1,0} convolution(%p, %k), dim_labels=bf_io->bf
}

%body (s: (s32[], f32[8,16])) -> (s32[], f32[8,16]) {
  %s = (s32[]{:T(128)}, f32[8,16]{1,0}) parameter(0)
  %x = f32[8,16]{1,0} get-tuple-element(%s), index=1
  %y = f32[8,8]{1,0} fusion(%x), kind=kOutput, calls=%inside
  %g = f32[8,16]{1,0} all-gather(%y), channel_id=3, replica_groups=[4,2]<=[8], dimensions={1}
  %g2 = f32[8,16]{1,0} all-gather(%y), channel_id=3, replica_groups=[4,2]<=[8], dimensions={1}
  %kernel = f32[8]{0} custom-call(%y), custom_call_target="tpu_custom_call", attributes={kernel={
"more": "lines"
}}, metadata={op_name="kernel"}
  %i = s32[] get-tuple-element(%s), index=0
  ROOT %out = (s32[], f32[8,16]{1,0}) tuple(%i, %g)
}

%test (s: (s32[], f32[8,16])) -> pred[] {
  %n = s32[]{:T(128)} constant(5)
  %s = (s32[], f32[8,16]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%s), index=0
  ROOT %lt = pred[] compare(%i, %n), direction=LT
}

ENTRY %main (a: f32[8,16]) -> f32[4] {
  %a = f32[8,16]{1,0} parameter(0)
  %loop = (s32[], /*index=1*/f32[8,16]{1,0}) while(%t), condition=%test, body=%body
  %r = bf16[4,4]{1,0} all-reduce(%q), replica_groups={{0,4},{1,5},{2,6},{3,7}}, to_apply=%sum
  ROOT %s = f32[4]{0} reduce-scatter(%r), channel_id=2, replica_groups=[2,4]<=[8], to_apply=%sum
}
"""


def test_a_loop_runs_its_body_and_an_exchange_in_pieces_counts_once():
    program = hlo.Program(TEXT)
    assert program.runs["body"] == program.runs["inside"] == 5 and program.runs["main"] == 1
    assert program.flops() == {"f32": 5 * 2 * 8 * 8 * 16}
    found = {(row.kind, row.axes): (row.count, row.bytes) for row in program.collectives(SIZES)}
    assert found == {
        ("all-gather", ("seq",)): (5, 5 * 8 * 16 * 4 / 2),
        ("all-reduce", ("data",)): (1, 2 * 32 / 2),
        ("reduce-scatter", ("fsdp", "seq")): (1, 3 * 16),
    }
    assert program.largest(1)[0].shape == "f32[8,16]"


HOST = "channel_id=9, is_host_transfer=true, frontend_attributes={"
PAIR = """  %send = (f32[512,8]{1,0}, u32[], token[]) send(%r, %t), @_xla_host_transfer_rendezvous="all.1",_xla_megascale_transfer_type="KIND"}
  %recv = (f32[256,8]{1,0}, u32[], token[]) recv(%t), @_xla_host_transfer_rendezvous="all.1",_xla_megascale_transfer_type="KIND"}
"""  # noqa: E501


@pytest.mark.parametrize(
    ("kind", "share"),
    [("ALL_REDUCE", 1.5), ("REDUCE_SCATTER", 0.75), ("COLLECTIVE_PERMUTE", 1)],
)
def test_what_slices_exchange_is_over_dcn(kind, share):
    sizes = {"dcn": 4} | SIZES
    line = "  ROOT %s = f32[4]"
    text = TEXT.replace(line, PAIR.replace("@", HOST).replace("KIND", kind) + line)
    rows = hlo.Program(text).collectives(sizes)
    (between,) = (row for row in rows if "dcn" in row.axes)
    assert between == (kind.lower().replace("_", "-"), ("dcn",), 1, share * 512 * 8 * 4)
    assert [row for row in rows if row != between] == hlo.Program(TEXT).collectives(SIZES)


@pytest.mark.parametrize(("step", "runs"), [(1, 5), (2, 3), (5, 1)])
def test_an_unrolled_loop_counts_in_steps(step, runs):
    text = TEXT.replace(
        "  ROOT %out = (s32[], f32[8,16]{1,0}) tuple(%i, %g)",
        f"  %d = s32[] constant({step})\n  %j = s32[] add(%i, %d), control-predecessors={{%g2}}\n"
        "  ROOT %out = (s32[], f32[8,16]{1,0}) tuple(%j, %g)",
    )
    assert hlo.Program(text).runs["body"] == runs


def test_a_compiled_program_is_read_as_it_was_written():
    mesh = sharding.make_mesh({"data": 4, "tensor": 2})
    x = jax.ShapeDtypeStruct((8, 32), jnp.float32, sharding=NamedSharding(mesh, P("data")))
    w = jax.ShapeDtypeStruct((32, 32), jnp.float32, sharding=NamedSharding(mesh, P(None, "tensor")))

    def function(x, w):
        y = jax.lax.scan(lambda x, _: (jnp.sin(x @ w), None), x, length=6)[0]
        return jnp.sum(y**2)

    program = hlo.Program(jax.jit(function).lower(x, w).compile().as_text())
    assert sum(program.flops().values()) * 8 == flops.count(function, x, w)
    over = {axis for row in program.collectives(dict(mesh.shape)) for axis in row.axes}
    assert over == {"data", "tensor"}


def test_convolution_windows_are_read():
    x, k = jnp.zeros((1, 9, 7, 2)), jnp.zeros((3, 3, 2, 5))

    def conv(x, k):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, k, (2, 1), "SAME", dimension_numbers=numbers)

    gradient = jax.grad(lambda x, k: (conv(x, k) ** 2).sum(), argnums=(0, 1))
    for function in (conv, gradient):
        text = jax.jit(function).lower(x, k).compile().as_text()
        found = sum(hlo.Program(text).flops().values())
        assert found == pytest.approx(flops.count(function, x, k))


def test_whole_logits_are_found_and_blocks_are_not():
    def plain(q):
        return jax.nn.softmax(q @ q.T) @ q

    def blocks(q):
        return jax.lax.map(lambda rows: jax.nn.softmax(rows @ q.T) @ q, q.reshape(20, -1, 64))

    q = jax.ShapeDtypeStruct((1300, 64), jnp.float32)
    for function, expected in ((plain, ["float32[1300, 1300]"]), (blocks, [])):
        jaxpr = jax.make_jaxpr(jax.jit(function))(q)
        assert compiled.squares(jaxpr, frozenset({1300})) == expected
    padded = jax.ShapeDtypeStruct((2, 2688, 64), jnp.float32)
    jaxpr = jax.make_jaxpr(lambda q: jnp.einsum("hqd,hkd->hqk", q[:, :672], q))(padded)
    assert compiled.squares(jaxpr, frozenset({2600}), 4) == ["float32[2, 672, 2688]"]
    assert not compiled.squares(jaxpr, frozenset({2600}))
    assert not any(compiled.squares(jaxpr, frozenset({n}), 4) for n in (900, 1500, 2689))


def test_weights_of_such_sizes_are_no_logits():
    q, w = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((4, 1500), (1500, 6000)))
    step = jax.grad(lambda w, q: jnp.sum((q @ w) ** 2))
    assert not compiled.squares(jax.make_jaxpr(step)(w, q), frozenset({6000}), 4)
