// Package sheet writes a course's gradebook as an Excel workbook. It is a room of
// its own because the library it needs is heavy and nobody else's concern; it
// knows nothing but course.Sheet.
package sheet

import (
	"fmt"
	"io"

	"github.com/xuri/excelize/v2"

	"lectern/course"
)

const name = "Gradebook"

// Write writes the gradebook with one row a student. Texts are stored as texts, so
// that no name becomes a formula; points are numbers.
func Write(w io.Writer, s course.Sheet) error {
	f := excelize.NewFile()
	defer f.Close()
	if err := f.SetSheetName("Sheet1", name); err != nil {
		return fmt.Errorf("sheet: %w", err)
	}
	out, err := f.NewStreamWriter(name)
	if err != nil {
		return fmt.Errorf("sheet: %w", err)
	}
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return fmt.Errorf("sheet: %w", err)
	}
	if err := out.SetPanes(&excelize.Panes{Freeze: true, XSplit: 2, YSplit: 2, TopLeftCell: "C3", ActivePane: "bottomRight"}); err != nil {
		return fmt.Errorf("sheet: %w", err)
	}
	head, most := []any{"Login", "Name", "Email", "Section"}, []any{"Points possible", "", "", ""}
	for _, a := range s.Assignments {
		head, most = append(head, course.Inert(a.Title)), append(most, a.Most)
	}
	rows := [][]any{append(head, "Total %", "Grade"), append(most, "", "")}
	for _, st := range s.Students {
		row := []any{st.Login, course.Inert(st.Name), course.Inert(st.Email), course.Inert(st.Section)}
		for _, c := range st.Cells {
			row = append(row, cell(c))
		}
		var total any = ""
		if st.Total.Percent != nil {
			total = *st.Total.Percent
		}
		rows = append(rows, append(row, total, course.Inert(st.Total.Letter)))
	}
	for i, row := range rows {
		var opts []excelize.RowOpts
		if i == 0 {
			opts = append(opts, excelize.RowOpts{StyleID: bold})
		}
		at, err := excelize.CoordinatesToCellName(1, i+1)
		if err == nil {
			err = out.SetRow(at, row, opts...)
		}
		if err != nil {
			return fmt.Errorf("sheet: row %d: %w", i+1, err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("sheet: %w", err)
	}
	if err := f.Write(w); err != nil {
		return fmt.Errorf("sheet: %w", err)
	}
	return nil
}

func cell(c course.SheetCell) any {
	switch {
	case c.Excused:
		return "excused"
	case c.Points != nil:
		return *c.Points
	case c.Missing:
		return 0.0
	}
	return ""
}
