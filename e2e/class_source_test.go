package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The course's project: two notebooks, 15 points. Tests with hidden parts, one
// that gives part of its points, a question for a person, and a task.
const (
	projectTitle = "Noise & growth"
	project      = "noise-growth"
	firstName    = "1-noise.ipynb"
	secondName   = "2-growth.ipynb"
	projectMost  = 15.0
)

// secret stands in a hidden test, and nowhere that a student may look.
const secret = "canary-in-a-hidden-test"

// question is a question by the notebook's name and its grade_id.
type question struct{ notebook, id string }

var (
	smoothQ = question{"1-noise", "test-smooth"}
	peaksQ  = question{"1-noise", "test-peaks"}
	whyQ    = question{"1-noise", "why"}
	growthQ = question{"2-growth", "test-growth"}
	figureQ = question{"2-growth", "figure"}
)

const (
	smoothRight = `def smooth(y, width):
    """The moving average of y over width values."""
    return np.convolve(y, np.ones(width) / width, mode="valid")`
	peaksRight = `def peaks(y):
    """The places where y is larger than on both sides."""
    return [i for i in range(1, len(y) - 1) if y[i - 1] < y[i] > y[i + 1]]`
	growthRight = `def growth(start, rate, steps):
    """The size at each step, the start included."""
    return start * (1 + rate) ** np.arange(steps + 1)`
)

// solved is a model answer as an instructor writes it: what stands after the
// docstring is cut out of the release.
func solved(answer string) string {
	at := strings.LastIndex(answer, `"""`) + 4
	return answer[:at] + "    ### BEGIN SOLUTION\n" + answer[at:] + "\n    ### END SOLUTION"
}

// cell is one cell of a notebook file.
type cell = map[string]any

// markdown and code make cells; role is nbgrader's part of the metadata, or nil.
func markdown(id, source string, role cell) cell {
	return newCell("markdown", id, source, role)
}

func code(id, source string, role cell) cell {
	c := newCell("code", id, source, role)
	c["outputs"], c["execution_count"] = []any{}, nil
	return c
}

func newCell(kind, id, source string, role cell) cell {
	meta := cell{}
	if role != nil {
		role["schema_version"] = 3
		for _, flag := range []string{"grade", "solution", "locked", "task"} {
			if role[flag] == nil {
				role[flag] = false
			}
		}
		meta["nbgrader"] = role
	}
	return cell{"cell_type": kind, "id": id, "metadata": meta, "source": source}
}

func locked(id string) cell { return cell{"grade_id": id, "locked": true} }
func asked(id string) cell  { return cell{"grade_id": id, "solution": true} }
func tests(id string, points float64) cell {
	return cell{"grade_id": id, "grade": true, "locked": true, "points": points}
}

// projectSources are the instructor's two notebooks.
func projectSources() map[string][]cell {
	return map[string][]cell{
		firstName: {
			markdown("a1", "# Noise\n\nMeasurements are noisy. Smooth them, and find what stands out.", nil),
			code("a2", "import numpy as np", locked("setup")),
			markdown("a3", "## Smoothing\n\nWrite `smooth`: the mean of each `width` neighbours, $\\frac{1}{w}\\sum_i y_i$.", nil),
			code("a4", solved(smoothRight), asked("smooth")),
			code("a5", "assert len(smooth(np.ones(9), 3)) == 7\nassert np.allclose(smooth(np.ones(9), 3), 1)\n### BEGIN HIDDEN TESTS\n"+
				"assert np.allclose(smooth(np.arange(5.0), 2), [0.5, 1.5, 2.5, 3.5]), \""+secret+"\"\n### END HIDDEN TESTS", tests("test-smooth", 2)),
			markdown("a6", "## Peaks\n\nOne point for each kind of input that works.", nil),
			code("a7", solved(peaksRight), asked("peaks")),
			code("a8", "score = 0\nif peaks([0, 1, 0]) == [1]:\n    score += 1\n### BEGIN HIDDEN TESTS\nif peaks([0, 2, 1, 3, 0]) == [1, 3]:\n    score += 1\n"+
				"if peaks([]) == []:\n    score += 1\n### END HIDDEN TESTS\nnp.float64(score)", tests("test-peaks", 3)),
			markdown("a9", "## In words\n\nWhy does a wider window hide peaks? Give an example.", nil),
			markdown("a10", "Because a peak that is narrower than the window is spread over it.", cell{"grade_id": "why", "grade": true, "solution": true, "points": 4.0}),
		},
		secondName: {
			markdown("b1", "# Growth", nil),
			code("b2", "import numpy as np\nimport matplotlib.pyplot as plt", locked("setup-growth")),
			code("b3", solved(growthRight), asked("growth")),
			code("b4", "assert growth(1, 0.5, 2)[-1] == 2.25\n### BEGIN HIDDEN TESTS\nassert np.allclose(growth(3, 0.1, 1), [3, 3.3])\n### END HIDDEN TESTS", tests("test-growth", 3)),
			markdown("b5", "## A figure\n\nDraw growth at three rates so that one can compare them.\n\n=== BEGIN MARK SCHEME ===\n\nOne point each: axes, legend, a title that says something.\n\n=== END MARK SCHEME ===",
				cell{"grade_id": "figure", "grade": false, "task": true, "locked": true, "points": 3.0}),
			code("b6", "# Draw here.", nil),
		},
	}
}

// notebookFile is a notebook as Jupyter saves it.
func notebookFile(cells []cell) cell {
	return cell{"nbformat": 4, "nbformat_minor": 5, "cells": cells, "metadata": cell{
		"kernelspec":    cell{"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
		"language_info": cell{"name": "python"}}}
}

func saveNotebook(t testing.TB, path string, nb cell) {
	t.Helper()
	text, err := json.MarshalIndent(nb, "", " ")
	must(t, err)
	must(t, os.WriteFile(path, append(text, '\n'), 0o644))
}

// writeProject puts the instructor's files into a folder and gives their paths.
func writeProject(t testing.TB) (paths []string) {
	t.Helper()
	dir := t.TempDir()
	for name, cells := range projectSources() {
		paths = append(paths, filepath.Join(dir, name))
		saveNotebook(t, paths[len(paths)-1], notebookFile(cells))
	}
	return paths
}
