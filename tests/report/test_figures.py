"""The loss figure ends at the errors of the finished metamers, which are in the table of match."""

import numpy as np

from metamers.report.figures import errors_by_step, loss_figure


def test_the_loss_curve_ends_at_the_error_of_the_metamer_after_the_last_step():
    loss = np.array([[1.0, 0.4, 0.12], [0.9, 0.1, np.nan], [1.1, 0.5, 0.2]])
    errors = np.array([0.07, 0.06, 0.08])
    figure = loss_figure({"late": errors_by_step(loss, errors)}, "black")
    (axes,) = figure.axes
    steps, median = axes.lines[0].get_data()
    assert steps.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(median, [1.0, 0.4, 0.12, 0.07])  # the second metamer keeps 0.06 from its second step on
    assert [text.get_text() for text in axes.texts] == ["last 0.07"]
