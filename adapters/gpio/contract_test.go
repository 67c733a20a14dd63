package gpio

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/adapters/gpio/gpiotest"
	"github.com/fieldhub/hub/nodes"
)

func TestMain(m *testing.M) {
	if os.Getpid() == 1 {
		os.Exit(runAsInit(m))
	}
	if os.Getenv(pulsesEnv) != "" {
		os.Exit(pulseAlone())
	}
	goleak.VerifyTestMain(m)
}

// soon is how long tests wait for what happens at once.
const soon = 5 * time.Second

// hasty is a timing for tests.
var hasty = timing{
	find:  20 * time.Millisecond,
	check: 20 * time.Millisecond,
	retry: 20 * time.Millisecond,
	tick:  20 * time.Millisecond,
	save:  50 * time.Millisecond,
	pace:  2 * time.Millisecond,
	boot:  "this boot",
}

// params makes parameters of id and value in turns; texts stand for enums too.
func params(list ...any) nodes.Params {
	p := make(nodes.Params)
	for i := 0; i+1 < len(list); i += 2 {
		id := list[i].(string)
		switch v := list[i+1].(type) {
		case string:
			p[id] = nodes.String(v)
		case bool:
			p[id] = nodes.Bool(v)
		case int:
			p[id] = nodes.Int32(int32(v))
		case float64:
			p[id] = nodes.Double(v)
		case time.Duration:
			p[id] = nodes.Duration(0, v)
		}
	}
	return p
}

func inputNode(name, line string, more ...any) *nodes.Node {
	return &nodes.Node{Spec: nodes.Spec{Name: name, Type: TypeInput, Params: params(append([]any{"Line", line}, more...)...)}}
}

func outputNode(name, line string, more ...any) *nodes.Node {
	return &nodes.Node{Spec: nodes.Spec{Name: name, Type: TypeOutput, Params: params(append([]any{"Line", line}, more...)...)}}
}

// chipNode makes a chip node "io" with default parameters filled in.
func chipNode(t testing.TB, chip string, pins ...*nodes.Node) *nodes.Node {
	t.Helper()
	n := &nodes.Node{Children: pins, Spec: nodes.Spec{Name: "io", Type: TypeChip, Parent: nodes.RootID, Params: params("Chip", chip)}}
	return adaptertest.Fill(t, factory(gpiotest.NewBoard(), hasty), n)
}

// start runs a chip node with a system.
func start(t testing.TB, s cdev.System, n *nodes.Node) *adaptertest.Device {
	t.Helper()
	return adaptertest.Start(t, factory(s, hasty), n)
}

// toggling has lines of a chip go on and off until the test ends.
func toggling(t *testing.T, c *gpiotest.Chip, lines ...int) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for on := true; ; on = !on {
			for _, l := range lines {
				c.Drive(l, on)
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

// relay is a system that a factory can be made with before there is a board.
type relay struct{ cdev.System }

func TestContract(t *testing.T) {
	system := &relay{gpiotest.NewBoard()}
	board := func() (*gpiotest.Board, *gpiotest.Chip) {
		b := gpiotest.NewBoard()
		c := b.Add("sim", 8)
		system.System = b
		return b, c
	}
	pins := func() []*nodes.Node {
		return []*nodes.Node{inputNode("door", "0"), inputNode("meter", "1", "Count", "rising", "PerPulse", 0.001, "Unit", "kWh"),
			outputNode("lamp", "2"), outputNode("pump", "3", "ReadBack", true), outputNode("stuck", "4")}
	}
	adaptertest.Run(t, adaptertest.Config{
		Factory: func() adapters.Factory { return factory(system, hasty) },
		Healthy: func(t *testing.T) *nodes.Node {
			_, c := board()
			toggling(t, c, 0, 1)
			return chipNode(t, "sim", pins()[:2]...)
		},
		Writing: func(t *testing.T) adaptertest.Writing {
			_, c := board()
			c.Stick(4, false)
			return adaptertest.Writing{
				Node: chipNode(t, "sim", pins()...),
				Settings: []nodes.Setting{{Node: "io/lamp", Name: "lamp", Value: nodes.Bool(true)},
					{Node: "io/pump", Name: "pump", Value: nodes.Bool(true)}},
				Refused: nodes.Setting{Node: "io/stuck", Name: "stuck", Value: nodes.Bool(true)},
				Writes: func() int {
					n := 0
					for line := range 8 {
						for _, w := range c.Writes(line) {
							if !w.First && w.Level { // off is what they are left with
								n++
							}
						}
					}
					return n
				},
			}
		},
		Running: func(t *testing.T) adaptertest.Running {
			board()
			return adaptertest.Running{Root: chipNode(t, "sim", pins()...), Node: "io", Command: "ListLines"}
		},
		Off: func(t *testing.T) *nodes.Node {
			system.System = gpiotest.NewBoard()
			return chipNode(t, "sim", pins()...)
		},
	})
}
