package persist

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

const childDir = "HUB_TEST_PERSIST_CHILD"

// noDevices is for trees of folders.
type noDevices struct{}

func (noDevices) Open(*nodes.Node, nodes.Host) (nodes.Device, error) { panic("there are no devices") }
func (noDevices) Forget(string)                                      {}

// child changes a tree until it is killed, and says on its standard output what it
// begins ("?id") and what was acknowledged: "+id" a node that is there, "-id" one
// that is gone.
func child(dir string) {
	round := os.Getenv("HUB_TEST_PERSIST_ROUND")
	db, err := Open(dir, Options{Now: clock})
	if err != nil {
		fmt.Println("!", err)
		os.Exit(1)
	}
	if db.Recovered() != "" {
		fmt.Println("!", db.Recovered())
		os.Exit(1)
	}
	t, err := tree.New(tree.Config{Source: "test", Store: db.Tree("test"), Opener: noDevices{}})
	if err != nil {
		fmt.Println("!", err)
		os.Exit(1)
	}
	ctx := context.Background()
	go t.Run(ctx)
	go db.Run(ctx)
	shelf := db.Shelf("counter")
	var out sync.Mutex
	say := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Fprintf(os.Stdout, format+"\n", args...)
	}
	for w := range 4 {
		go func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("r%s.%d.%d", round, w, i)
				say("?%s", id)
				_, err := t.Create(ctx, nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: nodes.TypeFolder, ID: id})
				if err == nil {
					_, err = t.Create(ctx, nodes.NewNode{Parent: nodes.In(id), Type: nodes.TypeFolder, Name: "below"})
				}
				if err != nil {
					say("! create %s: %v", id, err)
					os.Exit(1)
				}
				say("+%s", id)
				if i%3 == 1 {
					say("?%s", id)
					if err := t.Destroy(ctx, id); err != nil {
						say("! destroy %s: %v", id, err)
						os.Exit(1)
					}
					say("-%s", id)
				}
				shelf.Put(strconv.Itoa(i%100), []byte(id))
			}
		}()
	}
	select {}
}

// TestKilled kills a process that changes a tree, again and again, and looks
// whether what was acknowledged is there.
func TestKilled(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	want := make(map[string]bool) // acknowledged: there or gone
	acknowledged := 0
	for round := range rounds {
		lines := killed(t, dir, round)
		open := make(map[string]bool)
		for _, line := range lines {
			switch id := line[1:]; line[0] {
			case '?':
				open[id] = true
			case '+', '-':
				delete(open, id)
				want[id] = line[0] == '+'
				acknowledged++
			default:
				t.Fatalf("round %d: %s", round, line)
			}
		}
		db, err := Open(dir, Options{Now: clock})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if db.Recovered() != "" {
			t.Fatalf("round %d: %s", round, db.Recovered())
		}
		list, err := loaded(db)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		have := make(map[string]bool)
		for _, r := range list {
			have[r.Spec.ID] = true
		}
		for id := range open {
			delete(want, id) // nobody knows
		}
		for id, there := range want {
			if have[id] != there || have[id+"/below"] != there {
				t.Errorf("round %d: node %s is there: %v, its child: %v; acknowledged was %v", round, id, have[id], have[id+"/below"], there)
			}
		}
		for id := range have {
			if top, below := strings.CutSuffix(id, "/below"); below && !have[top] {
				t.Errorf("round %d: %s has lost its parent", round, id)
			}
		}
		closeTest(t, db)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d rounds, %d changes acknowledged", rounds, acknowledged)
	if acknowledged < rounds {
		t.Errorf("only %d changes were acknowledged in %d rounds", acknowledged, rounds)
	}
}

// killed runs a child for a moment, kills it, and returns what it said.
func killed(t *testing.T, dir string, round int) (lines []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, "HUB_TEST_PERSIST_ROUND="+strconv.Itoa(round))
	cmd.Stderr = os.Stderr
	tieToParent(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if err == io.EOF {
			break // a line cut off was acknowledged to nobody
		}
		if len(lines) == 0 {
			time.AfterFunc(time.Duration(1+rand.IntN(80))*time.Millisecond, func() { cmd.Process.Kill() })
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	cmd.Wait()
	return lines
}
