package course

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode/utf16"
)

func utf16le(s string, mark bool) string {
	var b []byte
	if mark {
		b = append(b, 0xFF, 0xFE)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

func role(r Role) *Role        { return &r }
func section(s string) *string { return &s }

func TestRostersAreReadHoweverTheyWereSaved(t *testing.T) {
	t.Parallel()
	plain := "login;name;email;section\nann;Ann Müller;ann@uni.example;A\n"
	want := []RosterLine{{Line: 2, Login: "ann", Name: "Ann Müller", Email: "ann@uni.example", Section: section("A")}}
	for name, file := range map[string]string{
		"UTF-8":                 plain,
		"UTF-8 with a mark":     "\xEF\xBB\xBF" + plain,
		"UTF-16 with a mark":    utf16le(plain, true),
		"UTF-16 without":        utf16le(plain, false),
		"Windows-1252":          strings.ReplaceAll(plain, "ü", "\xFC"),
		"commas":                strings.ReplaceAll(plain, ";", ","),
		"tabs":                  strings.ReplaceAll(plain, ";", "\t"),
		"other order":           "Section,Email,NAME,Username\nA,ann@uni.example,Ann Müller,ANN\n",
		"old Mac line ends":     strings.ReplaceAll(plain, "\n", "\r"),
		"blank lines after":     plain + "\n;;;\n",
		"quoted with a comma":   "login,name,email,section\nann,\"Müller, Ann\",ann@uni.example,A\n",
		"first and last name":   "username,firstname,lastname,email,group1\nann,Ann,Müller,ann@uni.example,A\n",
		"without a header":      "ann\tAnn Müller\tann@uni.example\tA\n",
		"login is the address":  "login,name,email,section\nann@uni.example,Ann Müller,,A\n",
		"spaces about the cell": "login , name, email ,section\n ann , Ann  Müller , ann@uni.example , A \n",
	} {
		f, err := ReadRoster(DecodeText([]byte(file)))
		if err != nil || len(f.Problems) > 0 {
			t.Errorf("%s: %v %v", name, err, f.Problems)
			continue
		}
		if name == "without a header" {
			f.Lines[0].Line = 2
		}
		if !reflect.DeepEqual(f.Lines, want) {
			t.Errorf("%s: got %+v, want %+v", name, f.Lines, want)
		}
	}
}

func TestExcelsDelimiterHintKeepsLineNumbersRight(t *testing.T) {
	t.Parallel()
	f, err := ReadRoster("sep=;\nlogin;name\nann;Ann, B; C\nBAD LOGIN;X\n")
	if err != nil || len(f.Problems) != 1 || f.Problems[0].Line != 4 {
		t.Errorf("got %+v, %v; want one problem on line 4", f, err)
	}
}

func TestExportsOfLearningPlatformsAreUnderstood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file string
		want []RosterLine
	}{
		"Canvas gradebook": {
			"Student,ID,SIS User ID,SIS Login ID,Section,Lab 1 (77)\n    Points Possible,,,,,10\n\"Lee, Ann\",4711,U1,ann,Lab A,9\n\"Student, Test\",1,,,Lab A,\n",
			[]RosterLine{{Line: 3, Login: "ann", Name: "Ann Lee", Section: section("Lab A")}},
		},
		"Canvas users.csv": {
			"user_id,login_id,first_name,last_name,email,status\nU1,ann,Ann,Lee,ann@u.example,active\nU2,bo,Bo,X,bo@u.example,deleted\n",
			[]RosterLine{{Line: 2, Login: "ann", Name: "Ann Lee", Email: "ann@u.example"}},
		},
		"Canvas enrollments.csv": {
			"course_id,user_id,role,section_id,status\nC1,ann,TaEnrollment,S1,active\n",
			[]RosterLine{{Line: 2, Login: "ann", Role: role(Grader), Section: section("S1")}},
		},
		"Moodle participants": {
			"First name,Last name,ID number,Email address,Groups\nAnn,Lee,12345,ann.lee@u.example,Blue\n",
			[]RosterLine{{Line: 2, Name: "Ann Lee", Email: "ann.lee@u.example", Section: section("Blue")}},
		},
		"Moodle upload": {
			"username,firstname,lastname,email,course1,role1,group1\nann,Ann,Lee,ann@u.example,PY1,editingteacher,Blue\n",
			[]RosterLine{{Line: 2, Login: "ann", Name: "Ann Lee", Email: "ann@u.example", Role: role(Instructor), Section: section("Blue")}},
		},
		"Blackboard": {
			"\"Last Name\"\t\"First Name\"\t\"Username\"\t\"Student ID\"\t\"Availability\"\nLee\tAnn\tann\t99\tYes\nX\tBo\tbo\t98\tNo\n",
			[]RosterLine{{Line: 2, Login: "ann", Name: "Ann Lee"}},
		},
		"only addresses": {"ann@u.example\nbo@u.example\n",
			[]RosterLine{{Line: 1, Email: "ann@u.example"}, {Line: 2, Email: "bo@u.example"}}},
		"only student numbers": {"Student ID,Name\n0815,Ann Lee\n", []RosterLine{{Line: 2, Login: "0815", Name: "Ann Lee"}}},
	} {
		f, err := ReadRoster(c.file)
		if err != nil || len(f.Problems) > 0 || !reflect.DeepEqual(f.Lines, c.want) {
			t.Errorf("%s: got %+v %v %v, want %+v", name, f.Lines, f.Problems, err, c.want)
		}
	}
}

func TestEveryBadLineIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	f, err := ReadRoster("login,email,role\nok,,\n../x,,\nbo,nowhere,\ncy,,king\n,,student\nok,other@u.example,\nok,,\n")
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	for _, p := range f.Problems {
		lines = append(lines, p.Line)
	}
	if want := []int{3, 4, 5, 6, 7}; !reflect.DeepEqual(lines, want) {
		t.Errorf("problems on lines %v, want %v: %+v", lines, want, f.Problems)
	}
	for _, file := range []string{"", "\n \n", "The colour,The shape\nred,round\n", "login,name\nann,\"Ann\nbo,Bo\n"} {
		if _, err := ReadRoster(file); !isProblem(err) {
			t.Errorf("ReadRoster(%q) = %v, want a Problem", file, err)
		}
	}
	if _, err := ReadRoster("login\n" + strings.Repeat("a\n", 10_001)); !IsKind(err, TooLarge) {
		t.Errorf("10001 lines: %v, want too large", err)
	}
}

func isProblem(err error) bool { _, ok := AsProblem(err); return ok }

var people = []RosterPerson{
	{Login: "ann", Name: "Ann", Email: "ann@u.example", Role: Student, Section: "A", Member: true, Manageable: true},
	{Login: "bo", Name: "Bo", Email: "bo@u.example", Role: Student, Section: "A", Member: true},
	{Login: "cy", Name: "Cy", Role: Student, Member: true, Dropped: true, Manageable: true},
	{Login: "prof", Name: "Prof", Role: Instructor, Member: true},
	{Login: "far", Name: "Far Away", Email: "far@u.example"}, // on the site, not in the course
}

func kinds(changes []RosterChange) string {
	var out []string
	for _, c := range changes {
		out = append(out, fmt.Sprintf("%s %s", c.Kind, c.To.Login))
	}
	return strings.Join(out, ", ")
}

func TestDiffSaysWhatAFileWouldChange(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file, want string
		drop             bool
		problems         int
	}{
		{name: "the same roster changes nothing", file: "login,name,section\nann,Ann,A\nbo,Bo,A\n", want: ""},
		{name: "a new person is added", file: "login\nnew\n", want: "add new"},
		{name: "somebody dropped comes back", file: "login\ncy\n", want: "restore cy"},
		{name: "a section changes", file: "login,section\nann,B\n", want: "change ann"},
		{name: "an emptied section changes", file: "login,section\nann,\n", want: "change ann"},
		{name: "an empty role stays", file: "login,role\nprof,\n", want: ""},
		{name: "a name is mended before the first sign-in", file: "login,name\nann,Ann Lee\n", want: "change ann"},
		{name: "and is the person's own afterwards", file: "login,name\nbo,Robert\n", want: ""},
		{name: "missing students stay unless asked", file: "login\nann\n", want: ""},
		{name: "missing students are dropped, staff is not", file: "login\nann\n", drop: true, want: "drop bo"},
		{name: "an address finds a member", file: "email,section\nBO@u.example,B\n", want: "change bo"},
		{name: "an address makes a login", file: "email\nnew.one@u.example\n", want: "add new.one"},
		{name: "an address does not take over an account elsewhere", file: "email\nfar@other.example\n", want: "", problems: 1},
		{name: "the same person twice is a problem", file: "login,email\nann,\n,ann@u.example\n", want: "", problems: 1},
		{name: "a known account joins under its own name", file: "login,name\nfar,Wrong Name\n", want: "add far"},
	} {
		f, err := ReadRoster(c.file)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		changes, problems := f.Diff(people, c.drop)
		if got := kinds(changes); got != c.want || len(problems) != c.problems {
			t.Errorf("%s: got %q and %+v, want %q and %d problems", c.name, got, problems, c.want, c.problems)
		}
		for _, ch := range changes {
			if ch.To.Login == "far" && ch.To.Name != "Far Away" {
				t.Errorf("%s: renamed somebody else's account to %q", c.name, ch.To.Name)
			}
		}
	}
}

func TestDigestTellsChangesApart(t *testing.T) {
	t.Parallel()
	digest := func(file string) string {
		f, err := ReadRoster(file)
		if err != nil {
			t.Fatal(err)
		}
		changes, _ := f.Diff(people, false)
		return RosterDigest(changes)
	}
	if a, b := digest("login,section\nann,B\n"), digest("login,section\nann,C\n"); a == b {
		t.Errorf("two different changes share the digest %s", a)
	}
	if a, b := digest("login,section\nann,B\n"), digest("section;login\nB;ann\n"); a != b {
		t.Errorf("the same change has digests %s and %s", a, b)
	}
}

func TestSafeCellsAreNeverFormulas(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"=1+1": "'=1+1", "@x": "'@x", "-2": "-2", "+1,5": "+1,5", "-": "'-", "-1+2": "'-1+2",
		"\tx": "'\tx", "Ann": "Ann", "": "", "1=1": "1=1"} {
		if got := SafeCell(in); got != want {
			t.Errorf("SafeCell(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzReadRosterNeverInventsALogin(f *testing.F) {
	f.Add([]byte("login,name\nann,Ann\n"))
	f.Add([]byte("\xFF\xFEl\x00\n\x00"))
	f.Add([]byte("email;role\n\"a@b\";ta"))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := ReadRoster(DecodeText(b))
		if err != nil {
			if !isProblem(err) {
				t.Errorf("ReadRoster(%q): %v is not for people", b, err)
			}
			return
		}
		for _, l := range file.Lines {
			if !ValidLogin(l.Key()) {
				t.Errorf("ReadRoster(%q): login %q", b, l.Key())
			}
		}
	})
}
