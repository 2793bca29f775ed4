package course_test

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lectern/course"
)

func pts(p float64) *float64 { return &p }

// class is three students: one marked, one with a comment that looks like a
// formula, one without a mark.
func class() []course.MarkNow {
	return []course.MarkNow{
		{Login: "ann", Name: "Ann Lee", Email: "Ann@uni.example", Section: "A", Score: course.Score{Points: pts(7.5), Comment: "Well done,\nbut \"late\""}, EventID: 11},
		{Login: "bob", Name: "=cmd|' /C calc'!A0", Email: "bob@uni.example", Score: course.Score{Points: pts(0), Comment: "=1+1"}, EventID: 12},
		{Login: "cyd", Name: "x;=HYPERLINK(1)", Email: "cyd@uni.example"},
	}
}

func written(t testing.TB, now []course.MarkNow) string {
	t.Helper()
	var b strings.Builder
	if err := course.WriteMarks(&b, now, 10); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestADownloadOfMarksIsSafeAndReadsBackAsNoChange(t *testing.T) {
	t.Parallel()
	text := written(t, class())
	want := "login,name,section,points,max,comment\r\n" +
		"ann,Ann Lee,A,7.5,10,\"Well done,\r\nbut \"\"late\"\"\"\r\n" +
		"bob,'=cmd|' /C calc'!A0,,0,10,'=1+1\r\n" +
		"cyd,\"x,=HYPERLINK(1)\",,,10,\r\n"
	if text != want {
		t.Errorf("written\n%q, want\n%q", text, want)
	}
	for name, again := range map[string]string{
		"as it is": text, "with a mark": "\ufeff" + text, "sep": "sep=,\r\n" + text,
		"through a semicolon spreadsheet": semicolons(t, text),
	} {
		f, err := course.ReadMarks(course.DecodeText([]byte(again)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if changes, problems := f.Diff(class()); len(changes) > 0 || len(problems) > 0 {
			t.Errorf("%s: changes %+v, problems %+v; want none", name, changes, problems)
		}
	}
}

// semicolons is a table as a spreadsheet of another country saves it.
func semicolons(t testing.TB, text string) string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Comma = ';'
	for i, r := range rows {
		if i > 0 {
			r[3] = strings.Replace(r[3], ".", ",", 1)
		}
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	w.Flush()
	return b.String()
}

func TestATableOfMarksShowsWhatItWouldChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text string
		changes    []string // line login points comment
		problems   []string
	}{
		{"login and points", "login,points\nann,8\ncyd,\"9,5\"\n", []string{"2 ann 8 Well done,\nbut \"late\"", "3 cyd 9.5 "}, nil},
		{"empty takes back", "username\tscore\nann\t\nbob\t-\n", []string{"2 ann  Well done,\nbut \"late\"", "3 bob  =1+1"}, nil},
		{"an address is a login", "Email address;Grade (of 10)\nANN@uni.example;6\n", []string{"2 ann 6 Well done,\nbut \"late\""}, nil},
		{"student id and comment only", "Student ID,Feedback\nbob,'-careful\ncyd,'tis fine\n", []string{"2 bob 0 -careful", "3 cyd  'tis fine"}, nil},
		{"a spreadsheet's text number", "login,points\ncyd,'5\n", []string{"2 cyd 5 "}, nil},
		{"unknown people and bad numbers, all at once", "login,points\nzoe,3\nann,-1\nbob,ten\n,4\ncyd,4\ncyd,5\nzed@uni.example,1\n", []string{"6 cyd 4 "},
			[]string{"2 No student of this course has the login “zoe”.", "3 Points cannot be negative.", "4 “ten” is not a number of points.",
				"5 There is neither a login nor an e-mail address.", "7 cyd is already on line 6.", "8 No student of this course has the address “zed@uni.example”."}},
	} {
		f, err := course.ReadMarks(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		changes, problems := f.Diff(class())
		var got, bad []string
		for _, ch := range changes {
			got = append(got, fmt.Sprintf("%d %s %s %s", ch.Line, ch.From.Login, course.FormatPoints(ch.To.Points), ch.To.Comment))
		}
		for _, p := range problems {
			bad = append(bad, fmt.Sprintf("%d %s", p.Line, p.Text))
		}
		if !slices.Equal(got, c.changes) || !slices.Equal(bad, c.problems) {
			t.Errorf("%s:\n got %q\nwant %q\n got %q\nwant %q", c.name, got, c.changes, bad, c.problems)
		}
	}
	for _, text := range []string{"", "points\n3\n", "login,name\nann,Ann\n", "ann,7\nbob,8\n"} {
		if f, err := course.ReadMarks(text); !course.IsKind(err, course.Invalid) {
			t.Errorf("ReadMarks(%q) = %+v, %v; want a problem", text, f, err)
		}
	}
}

func TestADigestOfMarksChangesWithWhatItWasMadeFrom(t *testing.T) {
	t.Parallel()
	f, err := course.ReadMarks("login,points\nann,8\n")
	if err != nil {
		t.Fatal(err)
	}
	one, _ := f.Diff(class())
	later := class()
	later[0].EventID = 99 // somebody gave another mark in between
	two, _ := f.Diff(later)
	if course.MarksDigest(one) == course.MarksDigest(two) {
		t.Error("the same digest for changes of different marks")
	}
}

func TestPointsAreReadAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", " ": "", "-": "", "0": "0", "7": "7", " 7.50 ": "7.5", "7,25": "7.25", "+3": "3", ".5": "0.5", "12.": "12"} {
		if p, why := course.ParsePoints(in); why != "" || course.FormatPoints(p) != want {
			t.Errorf("ParsePoints(%q) = %q, %q; want %q", in, course.FormatPoints(p), why, want)
		}
	}
	for _, in := range []string{"-1", "−1", "-0.5", "1.000,5", "1e3", "NaN", "Inf", "0x10", "85%", "ten", "1 000", "9999999", ".", ",", "٣", strings.Repeat("9", 400)} {
		if p, why := course.ParsePoints(in); p != nil || why == "" {
			t.Errorf("ParsePoints(%q) = %v, %q; want a refusal", in, course.FormatPoints(p), why)
		}
	}
}

// FuzzMarksTable writes hostile names and comments: no cell may be a formula, for
// a spreadsheet that splits at commas or at semicolons, and what was written
// reads back as no change.
func FuzzMarksTable(f *testing.F) {
	for _, s := range []string{"=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\x00=1", "a,\"b\"\n=c", "x;=1", `";=1`, "'=1", "-5", " =1", "-1,5"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, name, comment string) {
		// What Postgres can hold.
		comment = strings.TrimSpace(strings.ToValidUTF8(strings.ReplaceAll(comment, "\x00", ""), "\uFFFD"))
		now := []course.MarkNow{{Login: "ann", Name: name, Section: name, Score: course.Score{Points: pts(1.5), Comment: comment}, EventID: 1}}
		text := written(t, now)
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		if err != nil {
			t.Fatalf("%q does not parse: %v", text, err)
		}
		for i, c := range rows[1] {
			if formula(c) {
				t.Errorf("cell %d is a formula: %q", i, c)
			}
		}
		for _, c := range strings.Split(strings.Join(rows[1][:5], ","), ";") {
			if formula(c) {
				t.Errorf("a part between semicolons is a formula: %q of %q", c, text)
			}
		}
		if _, why := course.ParsePoints(rows[1][3]); why != "" {
			t.Errorf("points %q: %s", rows[1][3], why)
		}
		file, err := course.ReadMarks(course.DecodeText([]byte(text)))
		if err != nil {
			t.Fatalf("ReadMarks(%q): %v", text, err)
		}
		if changes, problems := file.Diff(now); len(changes) > 0 || len(problems) > 0 && len(comment) < course.MaxComment {
			t.Errorf("%q reads back as %+v, %+v", text, changes, problems)
		}
	})
}

// formula reports whether a spreadsheet would compute a cell: the first sign says
// so and it is not a plain number.
func formula(c string) bool {
	if c == "" || !strings.ContainsRune("=+-@\t\r\x00", rune(c[0])) {
		return false
	}
	return strings.Trim(c[1:], "0123456789.,+-") != "" || strings.Trim(c, "+-.,") == ""
}
