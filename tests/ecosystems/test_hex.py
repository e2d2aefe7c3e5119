"""Hex: the order of versions, and nothing that is looked for."""

import io
import shutil
from random import Random

import pytest

from eclair.ecosystems.hex import ECOSYSTEM
from eclair.model import Interest
from tests.version_pairs import MAKERS, answers, disagreements, pairs

PROGRAM = """
IO.stream(:stdio, :line) |> Enum.each(fn line ->
  [one, other] = line |> String.trim_trailing("\\n") |> String.split("\\t")
  order = with {:ok, first} <- Version.parse(one), {:ok, second} <- Version.parse(other) do
    %{lt: "<", eq: "=", gt: ">"}[Version.compare(first, second)]
  else
    :error -> "!"
  end
  IO.puts(order)
end)
"""


def test_no_file_is_asked_for() -> None:
    assert ECOSYSTEM.interest == Interest()
    assert ECOSYSTEM.read("app/deps/phoenix/hex_metadata.config", io.BytesIO(b"")) is None


def test_keys_order_as_elixir_compares() -> None:
    if shutil.which("elixir") is None:
        pytest.skip("Elixir is not installed here")
    compared = list(pairs(MAKERS["hex"], Random(20240229), 2_000))
    said = answers(["elixir", "-e", PROGRAM], compared)
    assert said.count("!") < 1_000
    assert disagreements(ECOSYSTEM.key, compared, said) == []
