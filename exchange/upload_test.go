package exchange_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"lectern/course"
	"lectern/exchange"
)

// zipOf packs files in order; a name ending in / is a folder.
func zipOf(t testing.TB, pairs ...string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for i := 0; i < len(pairs); i += 2 {
		f, err := z.Create(pairs[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// raw packs one member by its header.
func raw(t testing.TB, h *zip.FileHeader, packed []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	f, err := z.CreateRaw(h)
	if err == nil {
		_, err = f.Write(packed)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// upload sends parts, pairs of name and content, and imports them as ps1.
func upload(t testing.TB, x *exchange.Exchange, all bool, parts ...string) (exchange.Imported, error) {
	t.Helper()
	u, err := x.NewUpload("c1")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Discard()
	for i := 0; i < len(parts); i += 2 {
		if err := u.Add(context.Background(), parts[i], strings.NewReader(parts[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	return u.Import(context.Background(), "ps1", all)
}

func TestUploadsAddReplaceAndRemove(t *testing.T) {
	t.Parallel()
	x := open(t, t.TempDir())
	source := must(x.Layout.Source("c1", "ps1"))
	done, err := upload(t, x, false, "a.ipynb", "A", "data/x.csv", "1", ".DS_Store", "junk", "U\u0308bung.txt", "decomposed")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(done.Added, []string{"a.ipynb", "data/x.csv", "\u00dcbung.txt"}) || !slices.Equal(done.Ignored, []string{".DS_Store"}) {
		t.Errorf("first upload: %+v", done)
	}
	done, err = upload(t, x, false, "a.ipynb", "B", "hw.zip", string(zipOf(t, "ps1/", "", "ps1/b.ipynb", "b", "ps1/out/", "", "__MACOSX/ps1/._b.ipynb", "junk", "ps1/inner.zip", "opaque")))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(done.Replaced, []string{"a.ipynb"}) || !slices.Equal(done.Added, []string{"b.ipynb", "inner.zip"}) {
		t.Errorf("second upload: %+v", done)
	}
	want := map[string]string{"a.ipynb": "B", "b.ipynb": "b", "data/x.csv": "1", "inner.zip": "opaque", "\u00dcbung.txt": "decomposed"}
	if got := contents(t, source); !maps.Equal(got, want) {
		t.Errorf("source = %v, want %v", got, want)
	}
	if st, err := os.Stat(source + "/out"); err != nil || !st.IsDir() {
		t.Errorf("the empty folder is gone: %v", err)
	}
	for _, rel := range []string{"inner.zip", "data"} {
		if err := x.DeleteSource("c1", "ps1", rel); err != nil {
			t.Errorf("DeleteSource(%q) = %v", rel, err)
		}
	}
	for _, rel := range []string{"none", "../ps1", "", "..", "a.ipynb/x", "/etc"} {
		if err := x.DeleteSource("c1", "ps1", rel); !course.IsKind(err, course.NotFound) {
			t.Errorf("DeleteSource(%q) = %v, want not found", rel, err)
		}
	}
	done, err = upload(t, x, true, "c.ipynb", "C")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(done.Removed, []string{"a.ipynb", "b.ipynb", "\u00dcbung.txt"}) {
		t.Errorf("last upload: %+v", done)
	}
	if got := contents(t, source); !maps.Equal(got, map[string]string{"c.ipynb": "C"}) {
		t.Errorf("source = %v", got)
	}
	noStages(t, x)
}

func TestOneFolderAroundNotebooksIsTakenOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ zip, want []string }{
		"folder with a notebook":   {[]string{"hw/a.ipynb", "", "hw/d/x", ""}, []string{"a.ipynb", "d/x"}},
		"folder of data":           {[]string{"data/x.csv", ""}, []string{"data/x.csv"}},
		"two folders":              {[]string{"a/a.ipynb", "", "b/x", ""}, []string{"a/a.ipynb", "b/x"}},
		"no folder":                {[]string{"a.ipynb", "", "hw/x", ""}, []string{"a.ipynb", "hw/x"}},
		"only the outer of two":    {[]string{"o/i/a.ipynb", ""}, []string{"i/a.ipynb"}},
		"an archive made on a Mac": {[]string{"hw/", "", "hw/a.ipynb", "", "__MACOSX/._hw", "", ".DS_Store", ""}, []string{"a.ipynb"}},
	} {
		x := open(t, t.TempDir())
		done, err := upload(t, x, false, "hw.zip", string(zipOf(t, c.zip...)))
		slices.Sort(done.Added)
		if err != nil || !slices.Equal(done.Added, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, done.Added, err, c.want)
		}
	}
}

// overlapping is a zip whose n members all are the same packed bytes.
func overlapping(t testing.TB, n int, text string) []byte {
	t.Helper()
	one := zipOf(t, "0", text)
	eocd := len(one) - 22
	start := binary.LittleEndian.Uint32(one[eocd+16:])
	var buf bytes.Buffer
	buf.Write(one[:start])
	for i := range n {
		head := bytes.Clone(one[start:eocd])
		head[46] = byte('0' + i)
		buf.Write(head)
	}
	end := bytes.Clone(one[eocd:])
	size := uint32(buf.Len()) - start
	binary.LittleEndian.PutUint16(end[8:], uint16(n))
	binary.LittleEndian.PutUint16(end[10:], uint16(n))
	binary.LittleEndian.PutUint32(end[12:], size)
	buf.Write(end)
	return buf.Bytes()
}

// noise does not shrink when packed.
func noise(n int) string {
	b := make([]byte, n)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return string(b)
}

func link(t testing.TB) []byte {
	h := &zip.FileHeader{Name: "link"}
	h.SetMode(fs.ModeSymlink | 0o777)
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	f, err := z.CreateHeader(h)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(f, "/etc/passwd")
	z.Close()
	return buf.Bytes()
}

func TestBadUploadsAreRefusedByNameAndChangeNothing(t *testing.T) {
	t.Parallel()
	stored := func(declared uint64, text string) *zip.FileHeader {
		return &zip.FileHeader{Name: "a.txt", Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte(text)),
			CompressedSize64: uint64(len(text)), UncompressedSize64: declared}
	}
	many := make([]string, 0, 10_002)
	for i := range 5_001 {
		many = append(many, string(rune('a'+i%26))+"/"+strings.Repeat("x", 1+i%200)+string(rune('0'+i%10))+strings.Repeat("y", i/200), "")
	}
	z := func(pairs ...string) string { return string(zipOf(t, pairs...)) }
	for name, c := range map[string]struct {
		parts []string
		want  []string // each a part of the message
		kind  course.Kind
	}{
		"nothing at all":        {nil, []string{"no file"}, course.Invalid},
		"only junk":             {[]string{".DS_Store", ""}, []string{"no file"}, course.Invalid},
		"a name that leads out": {[]string{"../a", ""}, []string{"../a", "leads out"}, course.Invalid},
		"an absolute name":      {[]string{"/etc/passwd", ""}, []string{"/etc/passwd", "root of a disk"}, course.Invalid},
		"a drive letter":        {[]string{"C:/a", ""}, []string{"C:/a", "root of a disk"}, course.Invalid},
		"Lectern's own name":    {[]string{"timestamp.txt", ""}, []string{"timestamp.txt", "rename"}, course.Invalid},
		"all at once":           {[]string{"../a", "", "b\x00", "", "c\\d", ""}, []string{"../a", `"b\x00"`, `c\\d`}, course.Invalid},
		"the same name twice":   {[]string{"a.txt", "1", "a.txt", "2"}, []string{"a.txt", "two files"}, course.Invalid},
		"names alike":           {[]string{"a.txt", "1", "A.TXT", "2"}, []string{"A.TXT", "capital"}, course.Invalid},
		"folders alike":         {[]string{"d/a", "1", "D/b", "2"}, []string{"D/b", "capital"}, course.Invalid},
		"a file and a folder":   {[]string{"d", "1", "d/b", "2"}, []string{"a file and a folder"}, course.Invalid},
		"one accent, two ways":  {[]string{"\u00fc", "1", "u\u0308", "2"}, []string{"two files"}, course.Invalid},
		"zip and file alike":    {[]string{"a.txt", "1", "z.zip", z("a.txt", "2")}, []string{"a.txt in z.zip"}, course.Invalid},
		"no zip":                {[]string{"z.zip", "hello"}, []string{"z.zip", "not a zip"}, course.Invalid},
		"half a zip":            {[]string{"z.zip", z("a", "b")[:30]}, []string{"z.zip", "not a zip"}, course.Invalid},
		"zip slip":              {[]string{"z.zip", z("a.ipynb", "", "../../etc/cron.d/x", "")}, []string{"../../etc/cron.d/x in z.zip", "leads out"}, course.Invalid},
		"zip with absolute":     {[]string{"z.zip", z("/etc/passwd", "")}, []string{"/etc/passwd"}, course.Invalid},
		"zip with backslashes":  {[]string{"z.zip", z(`a\..\..\b`, "")}, []string{"backslash"}, course.Invalid},
		"zip with duplicates":   {[]string{"z.zip", z("a", "1", "a", "2")}, []string{"two files"}, course.Invalid},
		"zip not in UTF-8":      {[]string{"z.zip", z("\x81bung.txt", "")}, []string{`"\x81bung.txt"`, "UTF-8"}, course.Invalid},
		"zip with a link":       {[]string{"z.zip", string(link(t))}, []string{"link in z.zip", "plain files"}, course.Invalid},
		"a bomb":                {[]string{"z.zip", z("a", strings.Repeat("\x00", 30<<20))}, []string{"a hundred times"}, course.Invalid},
		"many small bombs":      {[]string{"z.zip", z("a", strings.Repeat("\x00", 3<<20), "b", strings.Repeat("\x00", 3<<20))}, []string{"a hundred times"}, course.Invalid},
		"an overlapping bomb":   {[]string{"z.zip", string(overlapping(t, 9, noise(20_000)+strings.Repeat("\x00", 1_900_000)))}, []string{"a hundred times"}, course.Invalid},
		"overlapping, too much": {[]string{"z.zip", string(overlapping(t, 9, noise(30<<20)))}, []string{"200 MB"}, course.TooLarge},
		"more than it says":     {[]string{"z.zip", string(raw(t, stored(2, "hello"), []byte("hello")))}, []string{"a.txt in z.zip"}, course.Invalid},
		"less than it says":     {[]string{"z.zip", string(raw(t, stored(2e6, "hello"), []byte("hello")))}, []string{"a.txt in z.zip"}, course.Invalid},
		"a wrong checksum": {[]string{"z.zip", string(raw(t, &zip.FileHeader{Name: "a.txt", CRC32: 1, CompressedSize64: 5, UncompressedSize64: 5}, []byte("hello")))},
			[]string{"a.txt in z.zip", "checksum"}, course.Invalid},
		"encrypted": {[]string{"z.zip", string(raw(t, &zip.FileHeader{Name: "a.txt", Flags: 1, CompressedSize64: 5, UncompressedSize64: 5}, []byte("hello")))},
			[]string{"encrypted"}, course.Invalid},
		"packed strangely": {[]string{"z.zip", string(raw(t, &zip.FileHeader{Name: "a.txt", Method: 14, CompressedSize64: 5, UncompressedSize64: 5}, []byte("hello")))},
			[]string{"use plain zip"}, course.Invalid},
		"too many in a zip": {[]string{"z.zip", z(many...)}, []string{"5,000"}, course.TooLarge},
		"too many parts":    {many, []string{"5,000"}, course.TooLarge},
		"a file too large":  {[]string{"a.bin", strings.Repeat("x", 100<<20+1)}, []string{"a.bin", "100 MB"}, course.Invalid},
		"an upload too large": {[]string{"a.bin", strings.Repeat("x", 90<<20), "b.bin", strings.Repeat("x", 90<<20), "c.bin", strings.Repeat("x", 90<<20)},
			[]string{"200 MB"}, course.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			x := open(t, t.TempDir())
			if _, err := upload(t, x, false, "before.ipynb", "before"); err != nil {
				t.Fatal(err)
			}
			_, err := upload(t, x, false, c.parts...)
			if err == nil {
				t.Fatalf("was taken")
			}
			message := everything(err)
			for _, want := range c.want {
				if !strings.Contains(message, want) {
					t.Errorf("message = %q, want %q in it", message, want)
				}
			}
			if !course.IsKind(err, c.kind) {
				t.Errorf("%q is no %s problem", message, c.kind)
			}
			if got := contents(t, must(x.Layout.Source("c1", "ps1"))); !maps.Equal(got, map[string]string{"before.ipynb": "before"}) {
				t.Errorf("source = %v", slices.Collect(maps.Keys(got)))
			}
			noStages(t, x)
		})
	}
}

// everything is the text of all problems.
func everything(err error) string {
	if ps, ok := err.(course.Problems); ok {
		var all []string
		for _, p := range ps {
			all = append(all, p.Text)
		}
		return strings.Join(all, "\n")
	}
	return err.Error()
}

func TestAnUploadDoesNotClashWithWhatIsThere(t *testing.T) {
	t.Parallel()
	x := open(t, t.TempDir())
	if _, err := upload(t, x, false, "Data/x.csv", "1", "plain", "2"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data/y.csv", "plain/x", "PLAIN"} {
		_, err := upload(t, x, false, name, "")
		if !course.IsKind(err, course.Invalid) {
			t.Errorf("upload of %q = %v, want a problem", name, err)
		}
	}
	if _, err := upload(t, x, true, "data/y.csv", ""); err != nil {
		t.Errorf("replacing all: %v", err)
	}
}

func FuzzZipUpload(f *testing.F) {
	f.Add(zipOf(f, "a.ipynb", "A", "d/x", "1"))
	f.Add(zipOf(f, "../a", "A"))
	f.Add(overlapping(f, 3, "hello"))
	f.Add(link(f))
	f.Add([]byte("PK\x05\x06"))
	root := f.TempDir()
	x := open(f, root)
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := x.NewUpload("c1")
		if err != nil {
			t.Fatal(err)
		}
		defer u.Discard()
		if err := u.Add(context.Background(), "z.zip", bytes.NewReader(data)); err != nil {
			t.Fatalf("Add: %v", err)
		}
		done, err := u.Import(context.Background(), "ps1", true)
		if _, problem := course.AsProblem(err); err != nil && !problem {
			t.Fatalf("Import: %v", err)
		}
		got := contents(t, must(x.Layout.Source("c1", "ps1")))
		if err == nil && len(got) != len(done.Added)+len(done.Replaced) {
			t.Fatalf("source holds %d files, the import says %+v", len(got), done)
		}
		if left, err := os.ReadDir(root); err != nil || len(left) != 2 {
			t.Fatalf("%v lies in the data root, %v", left, err)
		}
	})
}
