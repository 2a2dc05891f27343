"""The network in the graph of an ONNX model, and what it predicts.

The walk from the input to the prediction gives each node its value, a `Signal` or an
array, in the order of the file. What a hostile file can make of a few bytes is bounded:
the numbers that come of its constants, and the nodes.
"""

from __future__ import annotations

import numpy as np

from fastmlp._utils.spelling import did_you_mean
from fastmlp.export._onnx_file import array_of, attributes, kind_of, opset_of
from fastmlp.export._onnx_operators import apply
from fastmlp.export._signal import ANY, RefusedError, Signal, UnknownFunctionError

_WITHOUT_EFFECT = ("Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")
_NAMING = ("ArrayFeatureExtractor", "Gather")
_DECIDING = ("ArgMax", "Binarizer", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
_STARTING_BUDGET = 2**20  # numbers
_USES = 16  # of each number of the file, on average
_MOST_OUTPUTS = 100  # to choose from
_REMEDY = (
    "A plain MLP has layers (Gemm, or MatMul and Add) one behind the other, with an "
    "activation of fastmlp after each. Name a tensor that predicts before this node by "
    "output=, or run the graph by onnxruntime."
)
_OTHER_LABELS = (
    "a classifier of fastmlp takes the class of the largest probability, or labels "
    "whose probability is above 0.5. Name what predicts by output=, which leaves the "
    "labels out"
)


def _refused(node, error):
    """The ValueError that names a node."""
    name = f"{node.name[:99]!r}" if node.name else f"of output {list(node.output)[:1]}"
    return ValueError(f"the node {name} ({kind_of(node)}) cannot be taken: {error}.")


class Graph:
    """The nodes and constants of a ModelProto.

    Parameters
    ----------
    model : onnx.ModelProto
    folder : Path or None
        Where weights in another file may be.
    """

    def __init__(self, model, folder):
        graph, self._producer = model.graph, model.producer_name
        self._folder, self._opset = folder, opset_of(model)
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        self._inputs = {
            value.name: value
            for value in graph.input
            if value.name not in self._tensors
        }
        self._outputs = [value.name for value in graph.output]
        self._nodes = list(graph.node)
        self._makers = {}
        for node in self._nodes:
            for name in filter(None, node.output):
                if name in self._makers or name in self._inputs:
                    raise ValueError(f"the graph is damaged: two make {name[:99]!r}.")
                self._makers[name] = node
        self._deciders = []  # nodes that make labels
        self._arrays = {}
        self._budget = _STARTING_BUDGET

    def check_exists(self, name):
        """Raise ValueError unless there is a tensor of this name."""
        if name in self._outputs and name not in self._makers:
            raise ValueError(f"the graph is damaged: no node makes {name[:99]!r}.")
        if name not in self._makers:
            raise ValueError(
                f"output must be the name of a tensor that a node makes, got {name!r}; "
                f"the outputs of the graph are {self._outputs[:9]}."
                + did_you_mean(name, filter(_is_text, self._makers))
            )

    def _constant(self, name):
        """The array of an initializer, or None."""
        if name not in self._arrays and name in self._tensors:
            array = array_of(self._tensors[name], self._folder)
            self._arrays[name] = array
            self._budget += _USES * array.size
        return self._arrays.get(name)

    # The nodes that predict

    def _behind(self, name):
        """The node behind nodes without effect, and the name of its output."""
        seen = 0
        while (node := self._makers.get(name)) is not None:
            if kind_of(node) not in _WITHOUT_EFFECT or not node.input:
                break
            seen += 1
            if seen > len(self._nodes):
                raise ValueError(f"the graph is damaged: {name[:99]!r} needs itself.")
            name = node.input[0]
        return node, name

    def prediction(self):
        """The name of what predicts, and the labels, if the graph has some.

        Labels are an empty array if the graph decides for classes that it does not
        name.
        """
        found, labels = {}, None
        for name in self._outputs[:_MOST_OUTPUTS]:
            node, behind = self._behind(name)
            kind = None if node is None else kind_of(node)
            if kind == "ZipMap" and node.input:
                given = attributes(node)
                labels = _texts(given.get("classlabels_strings", []))
                labels = labels or list(given.get("classlabels_int64s", []))
                found.setdefault(self._behind(node.input[0])[1], node.input[0])
            elif kind in (*_NAMING, *_DECIDING):
                classes, decider = self._decision(behind)
                self._deciders.append(decider)
                labels = classes if labels is None or classes else labels
            else:
                found.setdefault(behind, name)
        if not found and self._deciders:
            found = {None: self._deciders[0].input[0]}
        if len(found) != 1 or len(self._outputs) > _MOST_OUTPUTS:
            raise ValueError(
                f"the graph has the outputs {self._outputs[:9]}, and one of them must "
                "predict: name it by output=."
            )
        ((behind, name),) = found.items()
        if self._producer == "skl2onnx":
            # A regressor of several outputs ends in a Reshape to one column.
            name = behind or name
        # Labels may be of the logits, or of p where 1 - p and p are joined.
        maker, behind = self._behind(name)
        kind = None if maker is None else kind_of(maker)
        sources = {behind}
        if kind in ("Softmax", "LogSoftmax", "Concat") and maker.input:
            sources.add(self._behind(maker.input[-1])[1])
        for node in self._deciders:
            if self._behind(node.input[0])[1] not in sources:
                raise _refused(
                    node,
                    f"it does not decide by {name!r}. Name what predicts by output=, "
                    "which leaves labels out",
                )
        return name, labels

    def _decision(self, name):
        """The labels behind an output, and the node that decides for one."""
        labels = []
        for _ in self._nodes:
            node, name = self._behind(name)
            kind = None if node is None else kind_of(node)
            if kind in _NAMING and len(node.input) > 1:
                maker = self._makers.get(node.input[0])
                array = self._constant(node.input[0])
                if array is None and maker is not None and kind_of(maker) == "Constant":
                    array = apply(maker, [], self._opset, self._folder)
                if array is None:
                    raise _refused(node, "the labels are no constants")
                labels = _texts(array.ravel().tolist())
                name = node.input[1]
            elif kind in _DECIDING and node.input:
                self._check_decider(node, kind)
                return labels, node
            elif node is not None:
                raise _refused(node, _OTHER_LABELS)
            else:
                break
        raise ValueError(f"the graph is damaged: nothing makes {name[:99]!r}.")

    def _check_decider(self, node, kind):
        """Raise ValueError unless a node decides as a classifier of fastmlp does."""
        given = attributes(node)
        if kind == "ArgMax":
            is_ours = given.get("axis", 0) in (1, -1)
        elif kind == "Binarizer":
            is_ours = given.get("threshold", 0.0) == 0.5
        else:
            limit = self._constant(node.input[1]) if len(node.input) > 1 else None
            is_ours = kind.startswith("Greater") and limit is not None
            is_ours = is_ours and limit.size == 1 and limit.item() == 0.5
        if not is_ours:
            raise _refused(node, _OTHER_LABELS)

    def check_decisions(self, output, n_outputs):
        """Raise ValueError unless a classifier with these outputs decides alike."""
        for node in self._deciders:
            is_single = output == "logistic" and n_outputs == 1
            by_largest = output == "softmax" or (output is None and n_outputs > 1)
            by_half = output == "logistic"
            is_largest = kind_of(node) == "ArgMax"
            if not (is_single or (by_largest if is_largest else by_half)):
                raise _refused(node, _OTHER_LABELS)

    # The network

    def refused(self, name, error):
        """The ValueError that names the node which makes a tensor."""
        node, _ = self._behind(name)
        return _refused(node or self._makers[name], f"{error}. {_REMEDY[:-1]}")

    def _needed(self, name):
        """The names of all that a tensor is made of, and its own."""
        needed, waiting = set(), [name]
        while waiting:
            name = waiting.pop()
            if name and name not in needed:
                needed.add(name)
                if name in self._makers:
                    waiting += self._makers[name].input
        return needed

    def _input(self, needed):
        """The name of the only input, and its signal."""
        used = [name for name in self._inputs if name in needed]
        if len(used) != 1:
            raise ValueError(
                f"the graph has {len(used)} inputs that lead to the prediction"
                + f": {used[:9]}" * bool(used)
                + ". from_onnx takes one, the rows of a matrix. A model of raw tables, "
                "or a pipeline of columns, has one for each column: keep it by "
                "fastmlp.save_model or pickle."
            )
        kind = self._inputs[used[0]].type.tensor_type
        dims = [d.dim_value or None for d in kind.shape.dim]
        columns = tuple(dims[1:])
        is_known = all(columns)
        is_possible = min([n or 1 for n in dims], default=1) > 0 and len(dims) != 1
        if not is_possible or (not is_known and len(columns) > 1):
            raise ValueError(
                f"the input {used[0]!r} has the shape {dims[:9]}; from_onnx takes rows "
                "of a matrix, or of arrays of a known shape."
            )
        if kind.elem_type == 8:
            raise ValueError(f"the input {used[0]!r} has texts; an MLP takes numbers.")
        half = 10  # float16
        is_half = kind.elem_type == half or any(
            tensor.data_type == half for tensor in self._tensors.values()
        )
        shape = columns if dims and is_known else ANY
        return used[0], Signal(shape, dims[0] if dims else None, is_half)

    def signal(self, name):
        """The signal of a tensor."""
        needed = self._needed(name)
        known = {*self._makers, *self._inputs, *self._tensors}
        for missing in sorted(needed - known, key=repr)[:1]:
            raise ValueError(f"the graph is damaged: nothing makes {missing[:99]!r}.")
        at, signal = self._input(needed)
        values = {at: signal}
        nodes = [node for node in self._nodes if needed.intersection(node.output)]
        last_use = {name: i for i, node in enumerate(nodes) for name in node.input}
        for i, node in enumerate(nodes):
            value = self._value(node, values)
            for other in set(node.input):
                if last_use[other] == i and other != name:
                    values.pop(other, None)
            values[node.output[0]] = value
        found = values.get(name)
        if not isinstance(found, Signal):
            raise ValueError(f"{name!r} is not made of the rows by a network.")
        return found

    def _value(self, node, values):
        """The value of a node; names it in the error if it cannot be taken."""
        args = []
        for name in node.input:
            value = values[name] if name in values else self._constant(name)
            if name and value is None:
                raise ValueError(
                    f"the graph is damaged: no node before {node.output[0][:99]!r} "
                    f"makes {name[:99]!r}."
                )
            args.append(value)
        sizes = [arg.size for arg in args if isinstance(arg, np.ndarray)]
        try:
            self._spend(sum(sizes))
            value = apply(node, args, self._opset, self._folder)
        except UnknownFunctionError as error:
            raise self.refused(node.input[0], error) from None
        except RefusedError as error:
            raise _refused(node, f"{error}. {_REMEDY[:-1]}") from None
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            raise _refused(node, f"it is damaged ({str(error)[:300]})") from error
        if kind_of(node) == "Constant":
            self._budget += _USES * value.size
        size = value.n_numbers if isinstance(value, Signal) else value.size
        self._spend(size)
        return value

    def _spend(self, n_numbers):
        """Raise RefusedError if a small file makes very many numbers."""
        self._budget -= n_numbers
        if self._budget < 0:
            raise RefusedError("the graph uses its constants too often for an MLP")


def _is_text(name):
    """Return whether a name is a str; protobuf gives bytes where it is no UTF-8."""
    return isinstance(name, str)


def _texts(values):
    """Labels of a file: bytes as texts, other values as they are."""
    return [v.decode("utf-8") if isinstance(v, bytes) else v for v in values]
