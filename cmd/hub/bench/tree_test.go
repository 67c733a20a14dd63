package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus"
	"github.com/fieldhub/hub/cmd/hub/app/treefile"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/persist"
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// registers makes a gateway with units of 99 registers, of that many nodes in all.
func registers(size int) []*nodes.Node {
	gateway := &nodes.Node{Spec: nodes.Spec{Name: "gw", Type: "modbus.gateway", Params: nodes.Params{"Host": nodes.String("192.0.2.1")}}}
	left := size - 1
	for u := 1; left > 0; u++ {
		unit := &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint("unit ", u), Type: "modbus.unit", Params: nodes.Params{"UnitId": nodes.Int32(int32(u))}}}
		for left--; len(unit.Children) < 99 && left > 0; left-- {
			n := len(unit.Children)
			unit.Children = append(unit.Children, &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint("register ", n), Type: "modbus.register",
				Params: nodes.Params{"Table": nodes.Enum("holdingRegister", "Table"), "Address": nodes.Int32(int32(n)), "Unit": nodes.String("°C")}}})
		}
		gateway.Children = append(gateway.Children, unit)
	}
	return []*nodes.Node{gateway}
}

// counted counts what is written.
type counted struct {
	tree.Store
	commits atomic.Int64
}

func (c *counted) Commit(b tree.Batch) error {
	if len(b.Put)+len(b.Delete) > 0 {
		c.commits.Add(1)
	}
	return c.Store.Commit(b)
}

// idle opens devices that do nothing.
type idle struct{}

func (idle) Open(*nodes.Node, nodes.Host) (nodes.Device, error) { return idle{}, nil }
func (idle) Forget(string)                                      {}
func (idle) Run(ctx context.Context) error                      { <-ctx.Done(); return nil }
func (idle) Update(nodes.Change)                                {}

// grown is a tree of that many nodes on disk.
func grown(t *testing.T, size int) (*tree.Tree, *counted) {
	t.Helper()
	db, err := persist.Open(t.TempDir(), persist.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := &counted{Store: db.Tree(nodes.DefaultSource)}
	tr, err := tree.New(tree.Config{Types: modbus.Factory().Types, Store: store, Opener: idle{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := tr.Import(ctx, registers(size)); err != nil {
		t.Fatal(err)
	}
	return tr, store
}

func TestTree(t *testing.T) {
	fmt.Print("\nTrees of Modbus registers with their parameters, on disk\n\n| | 1,000 nodes | 10,000 nodes | required |\n|---|---|---|---|\n")
	created := make(map[int]time.Duration)
	commits := make(map[int]float64)
	children := make(map[int]time.Duration)
	memory := make(map[int]string)
	sizes := []int{1000, 10_000}
	trees := make(map[int]*tree.Tree)
	stores := make(map[int]*counted)
	took := make(map[int][]time.Duration)
	for _, size := range sizes {
		trees[size], stores[size] = grown(t, size)
		stores[size].commits.Store(0)
	}
	const rounds = 401
	for i := range rounds { // in turns
		for _, size := range sizes {
			began := time.Now()
			if _, err := trees[size].Create(t.Context(), nodes.NewNode{Parent: nodes.In("gw"), Type: "modbus.unit", Name: fmt.Sprint("new ", i),
				Params: nodes.Params{"UnitId": nodes.Int32(int32(i%240 + 1))}}); err != nil {
				t.Fatal(err)
			}
			took[size] = append(took[size], time.Since(began))
		}
	}
	for _, size := range sizes {
		tr := trees[size]
		created[size] = median(took[size])
		commits[size] = float64(stores[size].commits.Load()) / rounds
		cat := datasources.New(datasources.NewAccess(datasources.Rule{Who: []string{"ops@example.org"}, May: nodes.AllRights}), nil, tr)
		children[size] = childNodes(t, cat)
		memory[size] = allNodes(t, cat)
	}
	fmt.Printf("| creating a node, on disk when it returns | %v | %v | the same |\n", created[1000].Round(time.Microsecond), created[10_000].Round(time.Microsecond))
	fmt.Printf("| commits for each | %.2f | %.2f | 1 |\n", commits[1000], commits[10_000])
	fmt.Printf("| getChildNodes of 99 children with parameters and messages, own time | %v | %v | below 1 ms |\n", children[1000].Round(time.Microsecond), children[10_000].Round(time.Microsecond))
	fmt.Printf("| getAllNodes with parameters: memory taken, answer | %s | %s | bounded by the answer |\n", memory[1000], memory[10_000])
	fmt.Printf("| from the start of the process until it is ready | %v | %v | 500 ms |\n", startTime(t, 1000).Round(time.Millisecond), startTime(t, 10_000).Round(time.Millisecond))
}

// serve asks a concentrator and returns the answer's length; 0: an error.
func serve(t *testing.T, s *concentrator.Server, request string) (length int) {
	t.Helper()
	e, err := wire.Parse(request)
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(&ext.Request{Type: "get", Payload: e, Caller: nodes.Caller{JID: "ops@example.org", Full: "ops@example.org/x", Way: nodes.WayBroker},
		Respond: func(p []byte, _ *ext.StanzaError) { length = len(p) }})
	return length
}

// childNodes is the time of one getChildNodes, from the parsed request on.
func childNodes(t *testing.T, cat *datasources.Catalog) time.Duration {
	s := concentrator.New(cat, quiet)
	var list []time.Duration
	for range 501 {
		began := time.Now()
		if serve(t, s, "<getChildNodes xmlns='"+concentrator.NSNFI+"' id='gw/unit 1' parameters='true' messages='true'/>") == 0 {
			t.Fatal("no answer")
		}
		list = append(list, time.Since(began))
	}
	return median(list)
}

// allNodes is the memory that one getAllNodes takes in all.
func allNodes(t *testing.T, cat *datasources.Catalog) string {
	s := concentrator.New(cat, quiet)
	request := "<getAllNodes xmlns='" + concentrator.NSNFI + "' parameters='true' messages='true'/>"
	length := serve(t, s, request)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	serve(t, s, request)
	runtime.ReadMemStats(&after)
	taken := float64(after.TotalAlloc-before.TotalAlloc) / (1 << 20)
	if length == 0 {
		return fmt.Sprintf("%.1f MiB, too long", taken)
	}
	return fmt.Sprintf("%.1f MiB, %.1f MiB", taken, float64(length)/(1<<20))
}

// startTime is how long the daemon takes until it is ready, with a tree of that many
// nodes: the median of five starts.
func startTime(t *testing.T, size int) time.Duration {
	hub := program(t, "../../..", "./cmd/hub")
	dir := t.TempDir()
	config := filepath.Join(dir, "hub.yaml")
	if err := os.WriteFile(config, []byte("data: "+filepath.Join(dir, "data")+"\nlocal: {listen: \"127.0.0.1:0\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tree.yaml")
	types := make(map[string]nodes.Type)
	for _, x := range modbus.Factory().Types {
		types[x.Name] = x
	}
	doc := treefile.Append(nil, registers(size), func(name string) (nodes.Type, bool) { x, ok := types[name]; return x, ok })
	if err := os.WriteFile(file, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	var list []time.Duration
	for round := range 6 { // in the first the tree is imported
		c := exec.Command(hub, "run", "-c", config)
		out, err := c.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ready := false
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if !ready && strings.Contains(lines.Text(), "msg=ready") {
				ready = true
				if round > 0 {
					list = append(list, time.Since(began))
				} else if out, err := exec.Command(hub, "import", "--data", filepath.Join(dir, "data"), file).CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
				c.Process.Signal(syscall.SIGTERM)
			}
		}
		if err := c.Wait(); err != nil || !ready {
			t.Fatalf("the daemon: %v, ready %v", err, ready)
		}
	}
	return median(list)
}
