package xmppface

import (
	"go/parser"
	"go/token"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/disco"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// noNamespace are the folders here that are not namespaces.
var noNamespace = []string{"ext", "form", "local", "stream", "testdata", "wire", "xmpptest"}

// TestEveryNamespaceIsMounted fails when a folder of a namespace has no line in
// extensions.go.
func TestEveryNamespaceIsMounted(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "extensions.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var mounted []string
	for _, i := range f.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		mounted = append(mounted, path.Base(p))
	}
	folders, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, d := range folders {
		if !d.IsDir() || slices.Contains(noNamespace, d.Name()) {
			continue
		}
		if files, _ := os.ReadDir(d.Name()); !slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), ".go") }) {
			continue
		}
		found++
		if !slices.Contains(mounted, d.Name()) {
			t.Errorf("the namespace %s is not mounted in extensions.go", d.Name())
		}
	}
	if found < 3 {
		t.Errorf("found only %d folders", found)
	}
}

// Each extension gets its share, and has its own default where there is none.
func TestShares(t *testing.T) {
	for _, tt := range []struct{ give, want Shares }{
		{Shares{1, 2, 3, 4, 5}, Shares{1, 2, 3, 4, 5}},
		{Shares{Sniffers: 3}, Shares{events.DefaultMaxEach, concentrator.MaxSubscriptionsEach, 3, concentrator.MaxQueriesEach, sensordata.MaxReadoutsEach}},
	} {
		var got Shares
		for _, x := range Extensions(Program{}, Backends{Log: quiet(t), Shares: tt.give}) {
			switch x := x.(type) {
			case *events.Server:
				got.Subscriptions = x.MaxEach
			case *concentrator.Server:
				got.SourceSubscriptions, got.Sniffers, got.Queries = x.SubscriptionsEach, x.SniffersEach, x.QueriesEach
			case *sensordata.Server:
				got.Readouts = x.ReadoutsEach
			}
		}
		if got != tt.want {
			t.Errorf("%+v: got %+v, want %+v", tt.give, got, tt.want)
		}
	}
}

func TestNamespaceMountedTwice(t *testing.T) {
	if _, err := newRoutes([]ext.Extension{disco.New("a"), disco.New("b")}); err == nil {
		t.Error("no error")
	}
	if _, err := newRoutes([]ext.Extension{&served{space: nsRoster}}); err == nil {
		t.Error("the roster was handed out")
	}
}
