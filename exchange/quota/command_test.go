package quota

import (
	"os"
	"slices"
	"testing"
)

func TestCommandsOfXFS(t *testing.T) {
	t.Parallel()
	got := xfsBound("/srv", "/srv/homes/c1/student1", 0, 65541, 2<<30)
	want := [][]string{
		{"xfs_quota", "-x", "-c", "project -s -p /srv/homes/c1/student1 65541", "/srv"},
		{"xfs_quota", "-x", "-c", "limit -p bhard=2147483648 65541", "/srv"},
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%q, want %q", got, want)
	}
	if got := xfsBound("/srv", "/srv/homes/c1/student1", 65541, 65541, 1<<30); len(got) != 1 {
		t.Errorf("a home that is the project already: %q", got)
	}
}

func TestWhatBtrfsPrints(t *testing.T) {
	t.Parallel()
	const old = "qgroupid         rfer         excl \n--------         ----         ---- \n0/257         6307840      6307840 \n"
	const new = "Qgroupid    Referenced    Exclusive Path \n--------    ----------    --------- ---- \n0/257          6307840      6307840 homes/c1/student1\n"
	for _, text := range []string{old, new} {
		if got, err := parseQgroup(text); err != nil || got.Bytes != 6307840 {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ERROR: quotas not enabled", "0/257"} {
		if got, err := parseQgroup(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestWhereAFileSystemIsMounted(t *testing.T) {
	t.Parallel()
	if got, err := mountOf("/proc/self"); err != nil || got != "/proc" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := projectOf(os.DevNull); err == nil {
		t.Error("a device is a directory")
	}
}
