package concentrator

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// long is a backend with as many nodes as it is asked for.
type long struct {
	*fake
	count, told int
}

func (l *long) Each(_ nodes.Caller, _ string, _ []string, _ nodes.Detail, f func(*nodes.Info) bool) error {
	for i := range l.count {
		l.told++
		if !f(&nodes.Info{Ref: nodes.In(fmt.Sprint("node ", i)), Name: fmt.Sprint(i), Type: "folder"}) {
			break
		}
	}
	return nil
}

// TestAllOneByOne: an answer that is too long ends as soon as it is.
func TestAllOneByOne(t *testing.T) {
	for _, tt := range []struct {
		count     int
		condition string
	}{{0, ""}, {100, ""}, {1_000_000, "not-acceptable"}} {
		b := &long{fake: newFake(), count: tt.count}
		e, err := wire.Parse("<getAllNodes xmlns='" + NSNFI + "'/>")
		if err != nil {
			t.Fatal(err)
		}
		var answer, condition string
		New(b, quiet).Serve(&ext.Request{Type: "get", Payload: e, Caller: nodes.Caller{JID: ops}, Respond: func(p []byte, err *ext.StanzaError) {
			answer = string(p)
			if err != nil {
				condition = err.Condition
			}
		}})
		if condition != tt.condition || condition == "" && strings.Count(answer, "<nodeInfo ") != tt.count {
			t.Errorf("%d nodes: %q, %d in the answer", tt.count, condition, strings.Count(answer, "<nodeInfo "))
		}
		if b.told > tt.count || b.told*20 > MaxAnswer {
			t.Errorf("%d nodes: %d were asked for", tt.count, b.told)
		}
	}
}
