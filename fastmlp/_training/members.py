"""Networks of one shape that train side by side, each on a thread of its own.

They share the schedule and are judged together: what counts is the mean of their
predictions.  To those who lead a fit (Monitor, Judge) they look like one network whose
flat vector holds the weights of all, member after member.
"""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

import numpy as np

from fastmlp._core.permutation import shuffle
from fastmlp._core.prediction import predict
from fastmlp._core.solvers import Epoch
from fastmlp._model import averages
from fastmlp._training.holdout import Holdout
from fastmlp._training.task import Task

STOP_SECONDS = 0.05  # between two looks at Ctrl-C, and at runs that are to stop


class MembersTask(Task):
    """A task of several networks.

    Parameters
    ----------
    plan, network, params, samples, data, record, random_state
        As of Task; ``params`` holds the weights of all members.
    rows : list of ndarray of intp
        The rows that each member trains on.
    **others
        As of Task.
    """

    def __init__(self, *arguments, rows, **others):
        super().__init__(*arguments, rows=rows, **others)
        self.n_members = len(rows)

    @property
    def n_train(self):
        """Rows that a member trains on, the most of them."""
        return max(map(len, self.rows))

    @property
    def remedy(self):
        """The remedy for weights that do not stay finite: the data are scaled."""
        return "Lower learning_rate_init."

    def check_finite(self):
        """Raise ValueError if the weights are not finite."""
        if not np.isfinite(self.params).all():
            raise ValueError(
                "The weights did not stay finite; training ended in epoch "
                f"{self.record.n_iter}. {self.remedy}"
            )

    def order(self):
        """The rows to train on, in the order of the data: of each member."""
        return self.rows

    def members(self, params=None):
        """The flat vectors of the members, as views."""
        params = self.params if params is None else params
        return params.reshape(self.n_members, -1)

    def judging_rows(self, most):
        """Features of the validation rows of each member, at most so many of them."""
        for rows in self.holdout.rows_of_members:
            yield self.samples.X[rows[:: -(-len(rows) // most)]]

    def fitted_members(self):
        """Copies of the current weights for raw targets, (n_members, n_params)."""
        weights = self.members(self.current_params.copy())
        for params in weights if self.scaling is not None else ():
            self.scaling.fold(params)
        return weights


class MembersOrder:
    """Each member shuffles its rows for each epoch.

    Parameters
    ----------
    rows : list of ndarray of intp
    random_state : RandomState

    Attributes
    ----------
    current : ndarray of intp
        The rows of all members, member after member.
    of_members : list of ndarray of intp
        Views of it.
    """

    def __init__(self, rows, random_state):
        self.current = np.concatenate(rows).astype(np.intp, copy=False)
        ends = np.cumsum([len(of_member) for of_member in rows])
        self.of_members = np.split(self.current, ends[:-1])
        self.random_state = random_state

    def next(self):
        """The rows of the next epoch, of each member."""
        for rows in self.of_members:
            shuffle(rows, self.random_state)
        return self.of_members


class Curves:
    """Learning rate, weight decay, dropout and epsilon of every step of a fit.

    Parameters
    ----------
    n_steps : int
        Of the whole fit.
    rate, weight_decay : callable
        Functions of the progress from 0 to 1, of an array.
    dropout : callable
        The same for the rates of the layers, of shape (n_steps, n_layers); or None.
    epsilon : ndarray of shape (n_steps,) or None
        Of the rule; None for its constant.
    """

    def __init__(self, n_steps, rate, weight_decay, dropout=None, epsilon=None):
        progress = np.arange(n_steps) / n_steps
        self.rate, self.weight_decay = rate(progress), weight_decay(progress)
        self.dropout = None if dropout is None else dropout(progress)
        self.epsilon = epsilon

    def hand_to(self, epoch, first, n_steps):
        """Let an epoch of the core take the values of its steps."""
        steps = slice(first, first + n_steps)
        epoch.vary(
            learning_rate=self.rate[steps],
            weight_decay=self.weight_decay[steps],
            dropout=None if self.dropout is None else self.dropout[steps],
            epsilon=None if self.epsilon is None else self.epsilon[steps],
        )


class Members:
    """The epochs of several networks, as one epoch of the core.

    A last short batch is left out; as the rows are shuffled, other ones each time. All
    members take the same number of steps, so that they share their curves and the count
    of steps; one with more rows leaves some out, too.

    Parameters
    ----------
    task : MembersTask
    moments : list of ndarray
        Each holds those of all members, as the vector of the task.
    layout : list of Tensor
    curves : Curves
    n_threads : int
        They are shared by the members first, then by the rows of a batch.
    """

    def __init__(self, task, moments, layout, curves, n_threads):
        self.n_threads = min(n_threads, task.n_members)
        self.batch_size, self.curves = task.batch_size(), curves
        moments = zip(*map(task.members, moments))
        self.epochs, self.is_stopping = [], False
        for params, of_member in zip(task.members(), moments):
            epoch = Epoch(
                task.network,
                task.data,
                params,
                of_member,
                self.batch_size,
                task.plan.alpha,
                max(1, n_threads // task.n_members),
                **task.plan.regularization.of_rows(),
            )
            epoch.regularize(**task.plan.regularization.of_weights())
            epoch.use_layout(layout)
            self.epochs.append(epoch)

    @property
    def t(self):
        """Steps of each member."""
        return max(epoch.t for epoch in self.epochs)

    @property
    def loss(self):
        """Mean loss over the members."""
        return float(np.mean([epoch.loss for epoch in self.epochs]))

    @property
    def rows_counted(self):
        """Rows of the last epoch that counted, those of one member."""
        return min(epoch.rows_counted for epoch in self.epochs)

    @property
    def rows_done(self):
        """Rows of the last epoch, those of one member."""
        return max(epoch.rows_done for epoch in self.epochs)

    @property
    def last_rate(self):
        """Learning rate of the last step, with the corrections of Adam."""
        return self.epochs[0].last_rate

    def use(self, *arguments, **scalars):
        """Take steps by a rule, as ``use`` of an epoch."""
        for epoch in self.epochs:
            epoch.use(*arguments, **scalars)

    def seed(self, key):
        """Give each member a seed of its own for dropout."""
        for number, epoch in enumerate(self.epochs):
            epoch.seed((key[0], (key[1] + number) % 2**32))

    def run(self, orders, _, deadline):
        """Train each member on all batches of one epoch."""
        n_rows = self.batch_size * steps_per_epoch(orders, self.batch_size)
        tasks = [
            (epoch, order[:n_rows], deadline)
            for epoch, order in zip(self.epochs, orders)
        ]
        if self.n_threads == 1:
            for task in tasks:
                self._run_member(*task)
            return
        self.is_stopping = False
        with ThreadPoolExecutor(self.n_threads) as pool:
            futures = []
            try:  # Ctrl-C may come while a thread is started
                for task in tasks:
                    futures.append(pool.submit(self._run_member, *task))
                running = futures
                while running:  # a wait without end may not see Ctrl-C
                    done, running = wait(running, STOP_SECONDS, FIRST_EXCEPTION)
                    for future in done:
                        future.result()
            except BaseException:
                self._stop(futures)
                raise

    def _stop(self, futures):
        """End the runs of all members, those too that are about to begin."""
        self.is_stopping, running = True, futures
        for future in futures:
            future.cancel()
        for epoch in self.epochs:
            epoch.stop()
        while running:  # a run that was about to begin has missed it
            running = wait(running, STOP_SECONDS).not_done
            for epoch in self.epochs:
                epoch.stop()

    def _run_member(self, epoch, order, deadline):
        """One epoch of one member."""
        if self.is_stopping:
            return
        n_steps = -(-len(order) // self.batch_size)
        self.curves.hand_to(epoch, epoch.t, n_steps)
        epoch.run(order, len(order), deadline)


def steps_per_epoch(rows, batch_size):
    """The whole batches of the member with the fewest rows; at least one."""
    return max(1, min(map(len, rows)) // batch_size)


class MembersHoldout(Holdout):
    """Validation rows that judge the mean of the predictions of the members.

    Parameters
    ----------
    data : Data
    rows : list of ndarray of intp
        The validation rows of each member.
    samples : Samples
        The rows that are of any member, in their order, in the units of training.
    score : object
        As of Holdout.
    """

    def __init__(self, data, rows, samples, score):
        judged = np.unique(np.concatenate(rows))
        super().__init__(data, judged, samples, score)
        self.rows_of_members = rows
        self.places = [np.searchsorted(judged, of_member) for of_member in rows]

    def raw_outputs(self, task):
        """Outputs before their activation: of the only member, or of the mean."""
        network, params = task.network, task.members(task.current_params)
        if len(params) == 1:
            layers = network.layers(params[0])
            return predict(network, self.data, layers, self.rows, activated=False)
        n_threads = task.threads(len(self.rows))
        outputs = [
            predict(
                network, self.data, network.layers(weights), rows, n_threads=n_threads
            )
            for weights, rows in zip(params, self.rows_of_members)
        ]
        return self.mean_of_members(outputs, network.objective)

    def outputs_of_members(self, task):
        """Outputs of each member for the rows it judges, before their activation."""
        network = task.network
        return [
            predict(network, self.data, network.layers(params), rows, activated=False)
            for params, rows in zip(task.members(), self.rows_of_members)
        ]

    def mean_of_members(self, outputs, objective):
        """The mean of the members that a row judges, before the output activation.

        Parameters
        ----------
        outputs : list of ndarray of shape (n_rows_of_member, n_outputs)
        objective : Objective

        Returns
        -------
        raw : ndarray of shape (n_rows, n_outputs)
        """
        mean = averages.mean_outputs(outputs, objective, self.places, len(self.rows))
        return averages.raw_outputs(mean, objective)
