"""What any Keras optimizer gains: a rate for each weight, and equal steps on replicas."""

import contextlib
import types

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive
from keras_nlp_lite.optimizers.layer_depths import layer_depths
from keras_nlp_lite.optimizers.sharded_state import ShardedState


class PerWeight:
    """Stands before a Keras optimizer among a class's bases, and extends it.

    Gradients are summed over replicas before they are clipped, so that one replica and
    several make the same steps; Keras clips each replica's own. An embedding's
    gradient, which names the rows that it has, is made dense first: a row that a batch
    looks up twice counts with the sum of its gradients. With
    `gradient_accumulation_steps`, averages move with steps and not with batches, and
    MirroredStrategy works.

    Args:
        *args, **kwargs: The optimizer's own.
        layer_decay: A weight's rate is multiplied by this as often as layers lie above
            it (`layer_depths`). None: one rate for all.
        spare_norms: Whether weight decay leaves out norms and biases: what has fewer
            than two axes, or is called bias.
        shard: Whether each replica of a MirroredStrategy keeps the optimizer's state of
            its share of the weights alone. Without replicas it changes nothing.
    """

    # Whether each number's update depends on that number's gradient and state alone,
    # so that a weight's rows may be updated apart.
    is_elementwise = False

    def __init__(
        self, *args, layer_decay=None, spare_norms=False, shard=False, **kwargs
    ):
        super().__init__(*args, **kwargs)
        if layer_decay is not None:
            check_positive("layer_decay", layer_decay)
        self.layer_decay = layer_decay
        self.spare_norms = spare_norms
        self.shard = shard
        self._sharded = None
        # In a plain object: Keras would track lists and dicts as the optimizer's state.
        self._known = types.SimpleNamespace(
            variables=[],  # the model's
            depths={},  # how deep each weight lies, by `_var_key`
            updating=None,  # index of the weight whose update is being traced
            free_since={},  # index of a weight: iterations before its first step
        )

    def get_config(self):
        return {
            **super().get_config(),
            "layer_decay": self.layer_decay,
            "spare_norms": self.spare_norms,
            "shard": self.shard,
        }

    def build(self, variables):
        if self.built:
            return
        variables = list(variables)
        strategy = self._distribution_strategy
        references = variables
        if self.shard and strategy.num_replicas_in_sync > 1:
            may_cut = self.is_elementwise and not self.clipnorm
            self._sharded = ShardedState(strategy, variables, may_cut)
            references = self._sharded.references()
        depths = dict(
            zip(map(self._var_key, variables), layer_depths(variables), strict=True)
        )
        self._known.depths = depths
        super().build(references)
        self._known.variables = variables
        for variable in variables:
            self._trainable_variables_indices.setdefault(self._var_key(variable), -1)
        sources = self._sharded.sources() if self._sharded else variables
        decay = 1.0 if self.layer_decay is None else self.layer_decay
        self._factors = tuple(decay ** depths[self._var_key(v)] for v in sources)
        self._is_decayed = tuple(self._use_weight_decay(v) for v in sources)

    def _use_weight_decay(self, variable):
        if self.spare_norms and is_norm_or_bias(variable):
            return False
        return super()._use_weight_decay(variable)

    @property
    def iterations(self):
        """Steps so far; of the weight that is being updated, where some came later:
        averages that began at zero are corrected by their own age."""
        steps = super().iterations
        return steps - self._known.free_since.get(self._known.updating, 0)

    def free_since(self, variables, step):
        """Counts the steps of weights from a later one: before it they did not train.

        A training step that was traced before does not see it.

        Args:
            variables: Keras variables that the optimizer was built on.
            step: int, what `iterations` was before their first step.
        """
        keys = set(map(self._var_key, variables))
        sources = self._sharded.sources() if self._sharded else self._known.variables
        for index, source in enumerate(sources):
            if self._var_key(source) in keys:
                self._known.free_since[index] = step

    def learning_rates(self):
        """The rates of the moment by how deep weights lie: dict from int, 0 for those
        next to the output, to float. Empty where all weights have one rate."""
        if self.layer_decay is None or not self._known.depths:
            return {}
        rate = float(keras.ops.convert_to_numpy(self.learning_rate))
        depths = sorted(set(self._known.depths.values()))
        return {depth: rate * self.layer_decay**depth for depth in depths}

    # A step

    def _backend_apply_gradients(self, grads, trainable_variables):
        grads = [tf.convert_to_tensor(g) for g in self._summed(grads)]
        if self._sharded:
            self._apply_sharded(grads, trainable_variables)
            return
        batches = self.gradient_accumulation_steps
        held, sums = [], []
        if batches:
            held = [
                self._accumulated_gradients[self._get_variable_index(v)]
                for v in trainable_variables
            ]
            sums = [g + tf.cast(a, g.dtype) for g, a in zip(grads, held, strict=True)]
            grads = [total / batches for total in sums]

        def everywhere(strategy, grads, sums, rate):
            update = strategy.extended.update

            def step():
                for gradient, variable in zip(grads, trainable_variables, strict=True):
                    args = (gradient, rate)
                    update(_native(variable), self._update, args, group=False)
                for each in held:
                    update(_native(each), _empty, group=False)
                self._move_averages(update)

            def wait():
                for each, total in zip(held, sums, strict=True):
                    update(_native(each), _assign, (total,), group=False)

            self._every(batches, step, wait)

        tf.__internal__.distribute.interim.maybe_merge_call(
            everywhere,
            self._distribution_strategy,
            self._clip_gradients(grads),
            sums,
            self.learning_rate,
        )

    def _summed(self, grads):
        """Gradients of all replicas together; where each owner sums its own, as is."""
        replica = tf.distribute.get_replica_context()
        if self._sharded or replica is None or replica.num_replicas_in_sync == 1:
            return grads
        return replica.all_reduce(tf.distribute.ReduceOp.SUM, grads)

    def _clip_gradients(self, grads):
        if not self.global_clipnorm:
            return super()._clip_gradients(grads)
        # In fewer passes than Keras's.
        scale = self._clip_scale(tf.linalg.global_norm(grads))
        return [g * tf.cast(scale, g.dtype) for g in grads]

    def _clip_scale(self, norm):
        """What all gradients are multiplied by; NaN where their norm is no number."""
        limit = self.global_clipnorm
        return limit * tf.minimum(1.0 / norm, 1.0 / limit) + (norm - norm)

    def _every(self, batches, step, wait):
        """`step` with each so many batches, `wait` with the others."""
        if not batches:
            step()
            return
        is_step = (self._iterations + 1) % batches == 0
        tf.cond(tf.convert_to_tensor(is_step), _nothing(step), _nothing(wait))

    def _update(self, variable, gradient, rate):
        """One weight's step, on one device."""
        index = self._get_variable_index(variable)
        self._update_at(index, variable, gradient, rate)

    def _update_at(self, index, variable, gradient, rate):
        if self._factors[index] != 1.0:
            rate = rate * self._factors[index]
        decay = self._decay_of(index)
        if decay and self._is_decayed[index]:
            _shrink(variable, rate * decay)
        with self._at(index):
            self.update_step(gradient, variable, rate)

    def _decay_of(self, index):
        return self.weight_decay

    @contextlib.contextmanager
    def _at(self, index):
        self._known.updating = index
        try:
            yield
        finally:
            self._known.updating = None

    # Averages

    def _move_averages(self, update):
        if not self.use_ema:
            return
        pairs = self._averaged()
        for variable, average in pairs:
            update(_native(average), self._move, (_native(variable),), group=False)
        if self.ema_overwrite_frequency:
            self._every_so_often(
                lambda: [
                    update(_native(variable), _assign, (_native(average),), group=False)
                    for variable, average in pairs
                ]
            )

    def _every_so_often(self, overwrite):
        now = (self.iterations + 1) % self.ema_overwrite_frequency == 0
        tf.cond(tf.convert_to_tensor(now), _nothing(overwrite), _nothing(lambda: None))

    def _move(self, average, weights):
        weights = tf.cast(weights, average.dtype)
        # The first step's average is what it made of the weights.
        is_first = tf.equal(tf.convert_to_tensor(self.iterations), 0)
        share = tf.where(is_first, 1.0, 1.0 - self.ema_momentum)
        average.assign_add(tf.cast(share, average.dtype) * (weights - average))

    def _averaged(self):
        averages = self._model_variables_moving_average
        pairs = zip(self._known.variables, averages, strict=True)
        return [(variable, x) for variable, x in pairs if x is not None]

    def _overwrite_model_variables_with_average_value(self, trainable_variables):
        # By key and not by place: some of the weights may be frozen by now.
        keys = {self._var_key(variable) for variable in trainable_variables}
        if self._sharded:
            self._sharded.overwrite(self._model_variables_moving_average, keys)
            return
        for variable, average in self._averaged():
            if self._var_key(variable) in keys:
                self._distribution_strategy.extended.update(
                    _native(variable), _assign, args=(_native(average),)
                )

    # State that replicas share among them

    def add_variable_from_reference(
        self, reference_variable, name=None, initializer="zeros"
    ):
        add = super().add_variable_from_reference
        if not self._sharded:
            return add(reference_variable, name=name, initializer=initializer)
        return self._sharded.add(
            self, reference_variable, name=name or "var", initializer=initializer
        )

    @property
    def variables(self):
        """The optimizer's state; in whole arrays, however replicas share it."""
        variables = super().variables
        return self._sharded.whole(variables) if self._sharded else variables

    def state_bytes(self):
        """dict from device to int, the bytes of the optimizer's state there."""
        sizes = {}
        for variable in super().variables:
            locals_ = self._distribution_strategy.experimental_local_results(
                _native(variable)
            )
            for local in locals_:
                size = local.dtype.size * local.shape.num_elements()
                sizes[local.device] = sizes.get(local.device, 0) + size
        return sizes

    def _apply_sharded(self, grads, trainable_variables):
        sharded = self._sharded
        parts, pieces = sharded.cut(grads, trainable_variables, self._var_key)
        batches = self.gradient_accumulation_steps

        def everywhere(strategy, pieces, rate):
            pieces = sharded.reduce(parts, pieces)
            rate = strategy.experimental_local_results(rate)[0]
            held = self._accumulated_gradients if batches else None
            if batches:
                sums = sharded.on_each(
                    parts, lambda i, g: g + held[parts[i].index], pieces
                )
                pieces = sharded.on_each(parts, lambda i, g: g / batches, sums)

            def step():
                clipped = self._clip_sharded(parts, pieces)
                for part, gradient in zip(parts, clipped, strict=True):
                    with tf.device(part.device):
                        self._update_at(part.index, part.weights(), gradient, rate)
                        if batches:
                            _empty(_native(held[part.index]))
                sharded.send(parts)
                if self.use_ema:
                    self._move_sharded_averages()

            def wait():
                for part, total in zip(parts, sums, strict=True):
                    _assign(_native(held[part.index]), total)

            self._every(batches, step, wait)

        tf.distribute.get_replica_context().merge_call(
            everywhere, args=(pieces, self.learning_rate)
        )

    def _clip_sharded(self, parts, grads):
        on_each = self._sharded.on_each
        if not self.global_clipnorm:
            return on_each(parts, lambda i, g: self._clip_gradients([g])[0], grads)
        halves = on_each(parts, lambda i, g: tf.nn.l2_loss(g), grads)
        scale = self._clip_scale(tf.sqrt(2 * tf.add_n(halves)))
        return on_each(parts, lambda i, g: g * scale, grads)

    def _move_sharded_averages(self):
        averages = self._model_variables_moving_average
        for part in self._sharded.parts:
            with tf.device(part.device):
                self._move(_native(averages[part.index]), part.value())
        if self.ema_overwrite_frequency:
            self._every_so_often(lambda: self._sharded.overwrite(averages))


def is_norm_or_bias(variable):
    """Whether weight decay should leave a weight alone: it would pull a norm from one
    to zero, and biases are too few to overfit."""
    return len(variable.shape) < 2 or variable.name.split(":")[0].endswith("bias")


def _native(variable):
    """TensorFlow's variable in Keras's."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def _shrink(variable, share):
    """weights -= share * weights, where it can be in place."""
    if isinstance(variable, tf.Variable):
        tf.raw_ops.ResourceApplyGradientDescent(
            var=variable.handle,
            alpha=tf.cast(share, variable.dtype),
            delta=variable.read_value(),
        )
    else:
        value = tf.convert_to_tensor(variable)
        variable.assign_sub(tf.cast(share, value.dtype) * value)


def _assign(variable, value):
    variable.assign(tf.cast(value, variable.dtype))


def _empty(variable):
    variable.assign(tf.zeros(variable.shape, variable.dtype))


def _nothing(function):
    """`function` as a branch of `tf.cond`, which wants both to return the same."""

    def branch():
        function()
        return tf.constant(True)

    return branch
