package gpio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/adapters/gpio/gpiotest"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

// pulsesEnv has the test binary be the hardware: it writes so many periods of 1 kHz
// as edge records to each of its files from 3 on, in a process of its own, whose
// processor time is not counted.
const pulsesEnv = "HUB_GPIO_PULSES"

func pulseAlone() int {
	periods, err := strconv.Atoi(os.Getenv(pulsesEnv))
	if err != nil {
		return 2
	}
	var files []*os.File
	for fd := 3; ; fd++ {
		var st syscall.Stat_t
		if syscall.Fstat(fd, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFIFO {
			break
		}
		files = append(files, os.NewFile(uintptr(fd), "line"))
	}
	begin := cdev.Now()
	for done := 0; done < periods; {
		due := min(int((cdev.Now()-begin)/time.Millisecond), periods)
		if due == done {
			time.Sleep(time.Millisecond)
			continue
		}
		var b []byte
		for i := done; i < due; i++ {
			at := begin + time.Duration(i)*time.Millisecond
			b = cdev.AppendEvent(b, cdev.Event{Time: at, Rising: true, LineSeq: uint32(2*i + 1)})
			b = cdev.AppendEvent(b, cdev.Event{Time: at + time.Millisecond/2, LineSeq: uint32(2*i + 2)})
		}
		done = due
		for _, f := range files {
			for rest := b; len(rest) > 0; { // in pieces that a pipe takes whole
				n := min(len(rest), 4080)
				if _, err := f.Write(rest[:n]); err != nil {
					return 1
				}
				rest = rest[n:]
			}
		}
	}
	return 0
}

// piped is a chip whose lines are the read ends of pipes.
type piped []*os.File

func (p piped) Paths() ([]string, error)       { return []string{"/dev/gpiochip0"}, nil }
func (p piped) Open(string) (cdev.Chip, error) { return p, nil }
func (p piped) Info() (cdev.ChipInfo, error) {
	return cdev.ChipInfo{Name: "gpiochip0", Lines: len(p)}, nil
}
func (p piped) Line(n int) (cdev.LineInfo, error) { return cdev.LineInfo{Offset: n}, nil }
func (p piped) Close() error                      { return nil }
func (p piped) Request(r cdev.Request) (cdev.Line, error) {
	return &pipedLine{p[r.Offset], cdev.NewReader(p[r.Offset])}, nil
}

type pipedLine struct {
	*os.File
	events *cdev.Reader
}

func (l *pipedLine) Get() (bool, error) { return false, nil }
func (l *pipedLine) Set(bool) error     { return errors.New("an input") }
func (l *pipedLine) Read(list []cdev.Event) (int, error) {
	n, err := l.events.Read(list)
	if err == io.EOF { // the hardware is done: silence until the line is closed
		for err != nil && !errors.Is(err, os.ErrClosed) {
			time.Sleep(10 * time.Millisecond)
			_, err = l.File.Read(make([]byte, 1))
		}
	}
	return n, err
}

// rate counts 1 kHz on that many inputs, and returns the time it took and the
// processor time of this process.
func rate(t testing.TB, inputs, periods int) (wall, processor time.Duration) {
	t.Helper()
	var chip piped
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", pulsesEnv, periods))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	var pins []*nodes.Node
	for i := range inputs {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		chip = append(chip, r)
		cmd.ExtraFiles = append(cmd.ExtraFiles, w)
		pins = append(pins, inputNode(fmt.Sprint("meter", i), strconv.Itoa(i), "Count", "rising", "PerPulse", 0.001, "Unit", "kWh"))
	}
	f := factory(chip, usual)
	d := adaptertest.Start(t, f, chipNode(t, "0", pins...))
	for i := range inputs {
		id := fmt.Sprint("io/meter", i)
		d.Host.Wait(t, soon, id, func() bool { return d.Host.Count(id) > 0 })
	}
	began, before := time.Now(), processorTime(t)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	wall, processor = time.Since(began), processorTime(t)-before
	for i := range inputs {
		name := fmt.Sprint("meter", i)
		id := "io/" + name
		d.Host.Wait(t, soon, id, func() bool {
			return field(d.Host, id, name+" count").Value == nodes.Int64(int64(periods))
		})
		if text := message(d.Host, id, EventLost); text != "" {
			t.Error(text)
		}
	}
	return wall, processor
}

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// No count is lost at 32 inputs with 1 kHz each, as records that come from another
// process.
func TestRate(t *testing.T) { rate(t, 32, 1000) }

// BenchmarkRate tells which share of one processor 32 inputs at 1 kHz (64,000 edges a
// second) take.
func BenchmarkRate(b *testing.B) {
	for b.Loop() {
		wall, processor := rate(b, 32, 5000)
		b.ReportMetric(100*processor.Seconds()/wall.Seconds(), "%cpu")
	}
}

// BenchmarkIdle tells what 100 inputs on which nothing happens take.
func BenchmarkIdle(b *testing.B) {
	board := gpiotest.NewBoard()
	board.Add("sim", 100)
	var pins []*nodes.Node
	for i := range 100 {
		pins = append(pins, inputNode(fmt.Sprint("in", i), strconv.Itoa(i), "Count", "rising"))
	}
	d := adaptertest.Start(b, factory(board, usual), chipNode(b, "sim", pins...))
	d.Host.Wait(b, soon, "the last", func() bool { return d.Host.Count("io/in99") > 0 })
	time.Sleep(time.Second)
	for b.Loop() {
		before := processorTime(b)
		time.Sleep(20 * time.Second)
		b.ReportMetric(float64((processorTime(b)-before).Microseconds())/20, "µs-cpu/s")
	}
}

// BenchmarkEdge tells how long an edge takes from the kernel's record to the hub.
func BenchmarkEdge(b *testing.B) {
	board := gpiotest.NewBoard()
	c := board.Add("sim", 1)
	n := chipNode(b, "sim", inputNode("door", "0"))
	h := &stopwatch{Host: adaptertest.NewHost(n), came: make(chan time.Time, 1)}
	d, err := open(adapters.Env{Node: n, Host: h, Tap: sniffer.NewTap()}, board, newInterlocks(), usual)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { d.Run(ctx) })
	defer run.Wait()
	defer cancel()
	<-h.came // the chip
	<-h.came // the first level
	var took []time.Duration
	for on := true; b.Loop(); on = !on {
		time.Sleep(10 * time.Millisecond) // an edge after silence
		began := time.Now()
		c.Drive(0, on)
		took = append(took, (<-h.came).Sub(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}

// stopwatch is a host that says when a reading came.
type stopwatch struct {
	*adaptertest.Host
	came chan time.Time
}

func (s *stopwatch) Report(list []nodes.Reading) {
	s.Host.Report(list)
	s.came <- time.Now()
}
