package spawner_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"lectern/spawner"
	"lectern/spawner/container"
)

// BenchmarkBoot puts the server's boot in the notebook image beside that of the
// package's own command with all extensions it comes with, both in the container
// that Lectern makes: from its start until /api/status answers, in time and in
// CPU. They take turns; the CPU is what a busy machine changes least.
func BenchmarkBoot(b *testing.B) {
	s := openSite(b, dataDir(b), container.Limits{})
	defer s.clear()
	defer s.stop()
	home := filepath.Join(s.data, "homes", "bench")
	must(b, os.MkdirAll(home, 0o755))
	must(b, os.Chown(home, 1000, 100))
	boot := func(plain bool) (took, cpu time.Duration) {
		spec := container.Workspace(container.Place{Name: "lectern-bench-boot", Image: notebook, Home: home, Token: "bench",
			Labels: map[string]string{"lectern.bench": s.realm}})
		if plain {
			spec.Command = append([]string{"/usr/bin/jupyter-lab", "--ServerApp.jpserver_extensions={'notebook_shim': True}"}, spec.Command[1:]...)
		}
		defer func() { must(b, s.engine.Remove(context.Background(), spec.Name)) }()
		got, err := s.engine.Start(b.Context(), spec)
		must(b, err)
		took = untilUp(b, time.Now(), spawner.Target{Addr: got.Addr, Token: "bench"})
		used, err := s.engine.Usage(b.Context(), spec.Name)
		must(b, err)
		return took, used.CPU
	}
	for b.Loop() {
		var ours, oursCPU, plain, plainCPU []time.Duration
		for range 9 {
			took, cpu := boot(false)
			ours, oursCPU = append(ours, took), append(oursCPU, cpu)
			took, cpu = boot(true)
			plain, plainCPU = append(plain, took), append(plainCPU, cpu)
		}
		b.Logf("medians of %d: ours %v (CPU %v), the package's own %v (CPU %v)", len(ours),
			ms(median(ours)), ms(median(oursCPU)), ms(median(plain)), ms(median(plainCPU)))
		b.ReportMetric(median(ours).Seconds()*1000, "boot-ms")
		b.ReportMetric(median(oursCPU).Seconds()*1000, "boot-cpu-ms")
		b.ReportMetric(median(ours).Seconds()/median(plain).Seconds(), "boot/own")
		b.ReportMetric(median(oursCPU).Seconds()/median(plainCPU).Seconds(), "cpu/own")
	}
}
