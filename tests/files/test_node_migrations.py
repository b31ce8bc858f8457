from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from studio.files.node_migrations import migrate_nodes
from studio.graph.graph import Graph, Node, NodeId, Port, Subgraph, SubgraphId, subgraph_type
from studio.graph.spec import Catalog, Input, Migration, NodeSpec, Number, Options, Output
from studio.graph.types import FLOAT, IMAGE, TEXT
from tests.graph.catalog import CATALOG, ends
from tests.strategies import graphs

SOFTEN = NodeSpec(
    "image/Soften",
    "Soften",
    inputs=(
        Input("picture", IMAGE),
        Input("amount", FLOAT, control=Number(0, 1), default=0.5),
        Input("edge", TEXT, control=Options(("mirror", "wrap")), default="wrap"),
    ),
    outputs=(Output("picture", IMAGE),),
    version=4,
    migrations=(
        Migration(to=2, renamed={"image": "input", "size": "radius"}, dropped=("quality",)),
        Migration(to=3, renamed={"input": "picture", "radius": "amount"}, renamed_outputs={"image": "picture"}),
        Migration(to=4, added={"edge": "mirror"}, replaced={"amount": {"4": 0.5, "low": 0.1}}),
    ),
)
BLUR = NodeSpec(
    "image/OldBlur", "Blur", version=2, migrations=(Migration(to=2, type="image/Soften", renamed={"r": "radius"}),)
)
NOW = Catalog.of([SOFTEN, BLUR])
A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


def soften(version: int, **parameters: object) -> Node:
    return Node("image/Soften", parameters, version=version)


def only(node: Node) -> Node:
    graph, _ = migrate_nodes(Graph(nodes={A: node}), NOW)
    return graph.nodes[A]


def test_every_step_from_the_saved_version_on_is_taken() -> None:
    assert only(soften(1, size=4, quality="high")) == soften(4, amount=0.5, edge="mirror")
    assert only(soften(2, radius=2.5)) == soften(4, amount=2.5, edge="mirror")
    assert only(soften(3, amount="low", edge="wrap")) == soften(4, amount=0.1, edge="wrap")


def test_links_follow_renamed_sockets_and_go_with_dropped_ones() -> None:
    graph = Graph(
        nodes={A: soften(1), B: soften(1), C: Node("image/Load")},
        links={
            ends("a.image"): ends("c.image"),
            ends("b.image"): ends("a.image"),
            ends("b.size"): ends("c.size"),
            ends("b.quality"): ends("c.image"),
            ends("c.later"): ends("b.image"),
        },
    )
    migrated, notes = migrate_nodes(graph, NOW)
    assert migrated.links == {
        ends("a.picture"): ends("c.image"),
        ends("b.picture"): ends("a.picture"),
        ends("b.amount"): ends("c.size"),
        ends("c.later"): ends("b.picture"),
    }
    assert notes == (
        "a: Updated from version 1 of 'image/Soften' to 4.",
        "b: Updated from version 1 of 'image/Soften' to 4.",
    )


def test_a_renamed_type_goes_on_with_the_steps_of_its_new_name() -> None:
    graph, notes = migrate_nodes(Graph(nodes={A: Node("image/OldBlur", {"r": 4}, title="mine")}), NOW)
    assert graph.nodes[A] == replace(soften(4, amount=0.5, edge="mirror"), title="mine")
    assert notes == ("a: 'image/OldBlur' is called 'image/Soften' now (version 1 to 4).",)


def test_ports_and_promoted_values_follow() -> None:
    inner = Subgraph(
        "Inner",
        Graph(nodes={A: soften(1)}),
        inputs=(
            Port("strength", (ends("a.size"),)),
            Port("image", (ends("a.image"),)),
            Port("quality", (ends("a.quality"),)),
        ),
        outputs=(Port("image", (ends("a.image"),)),),
    )
    outer = Subgraph(
        "Outer",
        Graph(nodes={B: Node(subgraph_type(SubgraphId("inner")), {"strength": 4})}),
        inputs=(Port("strength", (ends("b.strength"),)),),
    )
    graph = Graph(
        nodes={C: Node(subgraph_type(SubgraphId("outer")), {"strength": "low"})},
        subgraphs={SubgraphId("outer"): outer, SubgraphId("inner"): inner},
    )
    migrated, notes = migrate_nodes(graph, NOW)
    made = migrated.subgraphs[SubgraphId("inner")]
    assert [(port.name, [str(end) for end in port.inner]) for port in made.inputs] == [
        ("strength", ["a.amount"]),
        ("image", ["a.picture"]),
    ]
    assert [str(end) for end in made.outputs[0].inner] == ["a.picture"]
    assert migrated.subgraphs[SubgraphId("outer")].graph.nodes[B].parameters == {"strength": 0.5}
    assert migrated.nodes[C].parameters == {"strength": 0.1}
    assert notes == ("inner/a: Updated from version 1 of 'image/Soften' to 4.",)


def test_a_node_of_a_later_version_stays_and_is_named() -> None:
    graph = Graph(nodes={A: soften(9, amount=1)})
    migrated, notes = migrate_nodes(graph, NOW)
    assert migrated is graph
    assert notes == (
        "a: This was saved for version 9 of 'image/Soften'; version 4 is here. Its values are kept as they are.",
    )


def test_a_name_that_comes_back_later_is_not_taken_for_the_old_one() -> None:
    spec = replace(
        SOFTEN,
        version=3,
        migrations=(Migration(to=2, renamed={"size": "amount"}), Migration(to=3, dropped=("size",))),
    )
    graph = Graph(nodes={A: soften(1, size=1), B: Node("x")}, links={ends("a.size"): ends("b.o")})
    migrated, _ = migrate_nodes(graph, Catalog.of([spec]))
    assert migrated.nodes[A].parameters == {"amount": 1}
    assert migrated.links == {ends("a.amount"): ends("b.o")}


@given(graphs())
def test_what_needs_no_migration_comes_back_as_it_is(graph: Graph) -> None:
    migrated, _ = migrate_nodes(graph, CATALOG)
    assert migrated is graph


@given(graphs())
def test_migrating_twice_changes_nothing_more(graph: Graph) -> None:
    catalog = Catalog.of(
        [
            replace(spec, version=9, migrations=(Migration(to=5, renamed={"image": "é"}),))
            for spec in CATALOG.specs.values()
        ]
    )
    once, _ = migrate_nodes(graph, catalog)
    assert migrate_nodes(once, catalog) == (once, ())
