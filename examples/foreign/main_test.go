package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/nodes"
)

// TestForeignModule builds this program as a module of its own, as a stranger
// would.
func TestForeignModule(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name string, b []byte, err error) {
		t.Helper()
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	source, err := os.ReadFile("main.go")
	put("main.go", source, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	put("go.sum", sums, err)
	put("go.mod", []byte("module example.org/plant\n\ngo 1.26\n\nrequire github.com/fieldhub/hub v0.0.0\n\nreplace github.com/fieldhub/hub => "+root+"\n"), nil)
	bin := filepath.Join(dir, "plant")
	build := exec.Command("go", "build", "-mod=mod", "-o", bin, ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(bin, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "hub ") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestClock(t *testing.T) {
	n := &nodes.Node{Spec: nodes.Spec{Name: "clock", Type: "clock.clock"}}
	adaptertest.Fill(t, clockAdapter(), n)
	d := adaptertest.Start(t, clockAdapter(), n)
	defer d.Stop()
	d.Host.Wait(t, 5*time.Second, "a reading", func() bool { return d.Host.Count(n.ID) > 0 })
	if v := d.Host.Value(n.ID); v.Unit() != "s" || !v.IsNumber() {
		t.Errorf("got %v", v)
	}
}
