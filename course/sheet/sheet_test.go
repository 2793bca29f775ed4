package sheet

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/xuri/excelize/v2"

	"lectern/course"
)

func TestTheWorkbookReadsBack(t *testing.T) {
	t.Parallel()
	s := course.Sheet{
		Assignments: []course.SheetAssignment{{Title: "=Homework", Most: 10}, {Title: "Exam", Most: 50}},
		Students: []course.SheetStudent{
			{Login: "student1", Name: "=1+1", Email: "s1@uni.example", Section: "-A", Cells: []course.SheetCell{{Points: new(7.5)}, {Excused: true}}, Total: course.BookTotal{Percent: new(75.0), Letter: "B"}},
			{Login: "student2", Name: "Two", Cells: []course.SheetCell{{Missing: true}, {}}},
		},
	}
	var b bytes.Buffer
	if err := Write(&b, s); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows(name)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{{"Login", "Name", "Email", "Section", "'=Homework", "Exam", "Total %", "Grade"}, {"Points possible", "", "", "", "10", "50"},
		{"student1", "'=1+1", "s1@uni.example", "'-A", "7.5", "excused", "75", "B"}, {"student2", "Two", "", "", "0"}}
	for i := range want {
		if i >= len(rows) || fmt.Sprint(trim(rows[i])) != fmt.Sprint(want[i]) {
			t.Errorf("row %d is %q, want %q", i+1, rows[i], want[i])
		}
	}
	for _, at := range []string{"B3", "D3", "E1"} {
		if formula, err := f.GetCellFormula(name, at); err != nil || formula != "" {
			t.Errorf("%s is the formula %q, %v", at, formula, err)
		}
	}
	if kind, err := f.GetCellType(name, "E3"); err != nil || kind != excelize.CellTypeNumber && kind != excelize.CellTypeUnset {
		t.Errorf("points are of type %v, %v", kind, err)
	}
}

func trim(row []string) []string {
	for len(row) > 0 && row[len(row)-1] == "" {
		row = row[:len(row)-1]
	}
	return row
}
