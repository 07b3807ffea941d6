"""Templates and conditions: what they give, what they may not do, and what they use."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_artifact_db.chains import expressions
from comfyui_artifact_db.chains.expressions import BadExpression

CONTEXT: dict[str, Any] = {
    "prompt": "a dragon",
    "count": 3,
    "sizes": [1, 2],
    "edit": {"output": {"meta": {"width": 640}, "image": "a.png"}, "outputs": {"9:images:1": "b.png"}, "of": object()},
}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"), (7, 7), (None, None), ("{{ prompt }}!", "a dragon!"), ("{{ count }}", 3),
        (" {{ count + 1 }} ", 4), ("{{ count }}{{ count }}", "33"), ("{{ sizes }}", [1, 2]),
        ("{{ edit.output.image }}", "a.png"), ("{{ edit.outputs['9:images:1'] }}", "b.png"),
        ("{{ prompt | upper }}", "A DRAGON"), (["{{ count }}", {"a": "{{ prompt }}"}], [3, {"a": "a dragon"}]),
        ("{{- count -}}", 3), ("{# nothing #}x", "x"), ("line\n", "line\n"), ("<b>{{ '<' }}", "<b><"),
    ],
)  # fmt: skip
def test_a_template_is_filled_in(template: Any, value: Any) -> None:
    assert expressions.filled(template, CONTEXT) == value


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ propmt }}", "'propmt' is undefined"),
        ("a {{ edit.output.video }}", "no attribute 'video'"),
        ("{{ edit.output.video }}", "no attribute 'video'"),
        ("{{ count / 0 }}", "division by zero"),
        ("{% for x in range(10) %}{% endfor %}", "statements"),
        ("{{ 'a' * 9999999 }}", "for numbers"),
        ("{{ '%999999999d' % 1 }}", "for numbers"),
        ("{{ 9 ** 9999999 }}", "power"),
        ("{{ prompt.ljust(99999999) }}", "not safely callable"),
        ("{{ prompt | center(99999999) }}", "No filter named"),
        ("{{ ''.__class__.__mro__ }}", "unsafe|undefined|access"),
        ("{{ sizes.append(3) }}", "not safely callable|unsafe"),
        ("{{ range(3) }}", "not safely callable"),
        ("{{ edit }}", "name one: STEP.output.image"),
        ("{{ prompt.upper }}", "no text, number"),
        ("{{ sizes | reverse }}", "no text, number"),
        (" {{ 1e308 * 10 }}", "^{{ 1e308 . 10 }} is inf"),
    ],
)
def test_what_means_nothing_or_is_not_safe_is_an_error(template: str, message: str) -> None:
    with pytest.raises(BadExpression, match=message):
        expressions.filled(template, CONTEXT)
    assert CONTEXT["sizes"] == [1, 2]


def test_a_condition_holds_or_does_not() -> None:
    assert expressions.holds("edit.output.meta.width >= 512", CONTEXT)
    assert not expressions.holds("count > 3 or prompt == 'x'", CONTEXT)
    with pytest.raises(BadExpression, match="undefined"):
        expressions.holds("nothing", CONTEXT)


@pytest.mark.parametrize("text", ["{{ a", "{{ }}", "{{ a + }}", "{% if %}", "{% set a = 1 %}", "{{ a | nofilter }}"])
def test_a_template_that_cannot_be_read_is_an_error_before_it_is_filled_in(text: str) -> None:
    with pytest.raises(BadExpression):
        expressions.used_in(text)


@pytest.mark.parametrize("text", ["a }} b {{ c", "a)", "(a", "a; b", "{{ a }}"])
def test_a_condition_is_one_expression(text: str) -> None:
    with pytest.raises(BadExpression):
        expressions.used_in_condition(text)


def test_what_a_template_uses_is_known() -> None:
    used = expressions.used_in({"a": "{{ edit.output.image }} {{ prompt }}", "b": ["{{ edit.outputs['x'] }}", 3]})
    assert used == {"edit": {"output", "outputs"}, "prompt": set()}
    assert expressions.used_in_condition("edit.status == 'completed'") == {"edit": {"status"}}
