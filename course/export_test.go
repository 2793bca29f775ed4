package course

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"
)

func testSheet() Sheet {
	due := time.Date(2015, 2, 2, 22, 58, 23, 948203000, time.UTC)
	taken := time.Date(2015, 2, 2, 14, 0, 0, 0, time.UTC)
	return Sheet{
		Assignments: []SheetAssignment{{Slug: "ps1", Title: "Problem set 1", Most: 10, DueAt: &due}, {Slug: "ps2", Title: "=Sum, \"two\"", Most: 5}},
		Students: []SheetStudent{
			{Login: "student1", Name: "Given Middle Family", Email: "s1@uni.example", Cells: []SheetCell{{Points: new(6.5), Raw: new(7.5), Penalty: 1, TakenAt: &taken, Comment: "=HYPERLINK(1)"}, {Excused: true}}},
			{Login: "student2", Name: "=cmd|'/c calc', Jr", Email: "+evil@uni.example", Cells: []SheetCell{{Missing: true}, {}}},
		},
	}
}

// parse reads a table back, strictly.
func parse(t *testing.T, text string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return rows
}

func wantRows(t *testing.T, got [][]string, want ...string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d: %q", len(got), len(want), got)
	}
	for i := range want {
		if s := strings.Join(got[i], "¦"); s != want[i] {
			t.Errorf("row %d is %q\nwant     %q", i, s, want[i])
		}
	}
}

// No cell of a table may begin as a formula does.
func wantInert(t *testing.T, rows [][]string) {
	t.Helper()
	for _, row := range rows {
		for _, f := range row {
			if f != "" && strings.ContainsRune("=+-@\t\r", rune(f[0])) {
				t.Errorf("%q is a formula", f)
			}
		}
	}
}

func TestTheTableOfNbgrader(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := testSheet().WriteNbgrader(&b); err != nil {
		t.Fatal(err)
	}
	rows := parse(t, b.String())
	wantRows(t, rows, "assignment¦duedate¦timestamp¦student_id¦last_name¦first_name¦email¦raw_score¦late_submission_penalty¦score¦max_score",
		"ps1¦2015-02-02 22:58:23.948203¦2015-02-02 14:00:00¦student1¦Family¦Given Middle¦s1@uni.example¦7.5¦1.0¦6.5¦10.0",
		"ps1¦2015-02-02 22:58:23.948203¦¦student2¦'=cmd|'/c calc'¦Jr¦'+evil@uni.example¦0.0¦0.0¦0.0¦10.0",
		"ps2¦¦¦student1¦Family¦Given Middle¦s1@uni.example¦0.0¦0.0¦0.0¦5.0",
		"ps2¦¦¦student2¦'=cmd|'/c calc'¦Jr¦'+evil@uni.example¦0.0¦0.0¦0.0¦5.0")
	wantInert(t, rows)
}

func TestTheTableForMoodle(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := testSheet().WriteMoodle(&b); err != nil {
		t.Fatal(err)
	}
	rows := parse(t, b.String())
	wantRows(t, rows, `Username¦ID number¦Email address¦First name¦Last name¦Problem set 1¦Problem set 1 (Feedback)¦'=Sum, "two"¦'=Sum, "two" (Feedback)`,
		"student1¦¦s1@uni.example¦Given Middle¦Family¦6.50¦'=HYPERLINK(1)¦¦", "student2¦¦'+evil@uni.example¦Jr¦'=cmd|'/c calc'¦0.00¦¦¦")
	wantInert(t, rows)
}

func TestACanvasExportIsFilled(t *testing.T) {
	t.Parallel()
	export := "\ufeffStudent,ID,SIS User ID,SIS Login ID,Section,Other (7),Problem set 1 (12345),Current Score\r\n" +
		",,,,,Manual Posting,,\r\n" +
		"    Points Possible,,,,,5,10,(read only)\r\n" +
		"\"Family, Given\",11,,STUDENT1,Lab 1,3,9,90\r\n" +
		"\"Else, Somebody\",12,,else,Lab 1,3,9,90\r\n" +
		"Two,13,student2,two@x,Lab 1,,,\r\n"
	s := testSheet()
	got, err := s.FillCanvas(export)
	if err != nil {
		t.Fatal(err)
	}
	wantRows(t, parse(t, got.CSV), "Student¦ID¦SIS User ID¦SIS Login ID¦Section¦Problem set 1 (12345)", "    Points Possible¦¦¦¦¦10",
		"Family, Given¦11¦¦STUDENT1¦Lab 1¦6.50", "Two¦13¦student2¦two@x¦Lab 1¦0.00")
	if strings.Join(got.Unmatched, "") != `=Sum, "two"` || strings.Join(got.Unknown, "") != "Else, Somebody" || got.Students != 2 {
		t.Errorf("report %+v", got)
	}
	if !strings.HasSuffix(got.CSV, "\r\n") || strings.HasPrefix(got.CSV, "\ufeff") {
		t.Error("not UTF-8 with CRLF")
	}
	s.Students[0].Cells[0].Excused = true
	if got, err = s.FillCanvas(export); err != nil || !strings.Contains(got.CSV, "Lab 1,EX\r\n") {
		t.Errorf("excused: %v\n%s", err, got.CSV)
	}
	for _, bad := range []string{"", "a,b\n1,2\n", "Student,ID,SIS Login ID,Section,Nothing of ours (1)\n", "Student,ID,Section\n"} {
		if _, err := s.FillCanvas(bad); !IsKind(err, Invalid) {
			t.Errorf("%q: %v, want a problem", bad, err)
		}
	}
}

func TestNumbersAsPythonWritesThem(t *testing.T) {
	t.Parallel()
	for in, want := range map[float64]string{0: "0.0", 7: "7.0", 0.1: "0.1", 11.75: "11.75", 1e16: "1e+16", 0.00001: "1e-05", 1.0 / 3: "0.3333333333333333"} {
		if got := pythonFloat(in); got != want {
			t.Errorf("%v is %s, want %s", in, got, want)
		}
	}
}
