package gpio

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// simChip is a chip of the kernel's gpio-sim.
type simChip struct {
	t    *testing.T
	dir  string // in configfs
	sys  string // in sysfs: where sim_gpioN are
	name string // gpiochip0
}

var simCount atomic.Int32

// newSim plugs in a simulated chip until the test ends. Names are those of its lines,
// the empty one leaves a line without; a line "hog x" is used by the kernel as x.
func newSim(t *testing.T, label string, lines int, names ...string) *simChip {
	t.Helper()
	if os.Getenv(kernelEnv) == "" {
		t.Skip("needs a kernel of its own with gpio-sim: make test-gpio")
	}
	s := &simChip{t: t, dir: fmt.Sprintf("/sys/kernel/config/gpio-sim/hub%d", simCount.Add(1))}
	bank := filepath.Join(s.dir, "bank0")
	made := []string{s.dir, bank}
	s.mkdir(s.dir)
	s.mkdir(bank)
	s.write(filepath.Join(bank, "num_lines"), fmt.Sprint(lines))
	s.write(filepath.Join(bank, "label"), label)
	for i, name := range names {
		if name == "" {
			continue
		}
		line := filepath.Join(bank, fmt.Sprintf("line%d", i))
		s.mkdir(line)
		made = append(made, line)
		if user, hog := strings.CutPrefix(name, "hog "); hog {
			s.mkdir(filepath.Join(line, "hog"))
			made = append(made, filepath.Join(line, "hog"))
			s.write(filepath.Join(line, "hog", "name"), user)
			s.write(filepath.Join(line, "hog", "direction"), "input")
			continue
		}
		s.write(filepath.Join(line, "name"), name)
	}
	t.Cleanup(func() {
		s.write(filepath.Join(s.dir, "live"), "0")
		for i := len(made) - 1; i >= 0; i-- {
			if err := os.Remove(made[i]); err != nil {
				t.Log(err)
			}
		}
	})
	s.plug()
	return s
}

func (s *simChip) mkdir(path string) {
	s.t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		s.t.Fatal(err)
	}
}

func (s *simChip) write(path, text string) {
	s.t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
		f.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *simChip) read(path string) string {
	s.t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// plug plugs the chip in, pull pulls it.
func (s *simChip) plug() {
	s.t.Helper()
	s.write(filepath.Join(s.dir, "live"), "1")
	s.name = s.read(filepath.Join(s.dir, "bank0", "chip_name"))
	s.sys = filepath.Join("/sys/devices/platform", s.read(filepath.Join(s.dir, "dev_name")), s.name)
}

func (s *simChip) pull() {
	s.t.Helper()
	s.write(filepath.Join(s.dir, "live"), "0")
}

// drive pulls a line up or down from outside; level returns its level.
func (s *simChip) drive(line int, high bool) {
	s.t.Helper()
	to := "pull-down"
	if high {
		to = "pull-up"
	}
	s.write(filepath.Join(s.sys, fmt.Sprintf("sim_gpio%d/pull", line)), to)
}

func (s *simChip) level(line int) bool {
	s.t.Helper()
	return s.read(filepath.Join(s.sys, fmt.Sprintf("sim_gpio%d/value", line))) == "1"
}

// isPulledUp tells how a line is biased.
func (s *simChip) isPulledUp(line int) bool {
	s.t.Helper()
	return s.read(filepath.Join(s.sys, fmt.Sprintf("sim_gpio%d/pull", line))) == "pull-up"
}
