package synchronization

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

func TestMain(m *testing.M) { exttest.Main(m, func() error { return goleak.Find() }) }

func TestClock(t *testing.T) {
	for _, space := range []string{NSNFI, NSNF, NSIEEE} {
		for _, ahead := range []time.Duration{0, time.Hour, -90 * time.Millisecond} {
			s := New("clock@example.org").(*server)
			s.now = func() time.Time { return time.Now().Add(ahead) }
			link := exttest.Pair(t, s, nil)
			d, err := Compare(t.Context(), link, exttest.ServerJID, space, 5, time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			if off := d.Offset - ahead; off < -20*time.Millisecond || off > 20*time.Millisecond || d.Samples != 5 || d.Jitter > 20*time.Millisecond {
				t.Errorf("%s, %v ahead: %+v", space, ahead, d)
			}
			if got, err := Source(t.Context(), link, exttest.ServerJID, space); err != nil || got != "clock@example.org" {
				t.Errorf("source %q, %v", got, err)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	link := exttest.Pair(t, New(""), nil)
	for _, tt := range []struct{ typ, payload, want string }{
		{"set", "<req xmlns='" + NSNFI + "'/>", "feature-not-implemented"},
		{"get", "<sourceResp xmlns='" + NSNFI + "'/>", "feature-not-implemented"},
		{"get", "<sourceReq xmlns='" + NSNFI + "'/>", "item-not-found"},
	} {
		_, err := link.Ask(t.Context(), exttest.ServerJID, tt.typ, []byte(tt.payload))
		var e *ext.StanzaError
		if !errors.As(err, &e) || e.Condition != tt.want {
			t.Errorf("%s %s: %v, want %s", tt.typ, tt.payload, err, tt.want)
		}
	}
}

func TestSum(t *testing.T) {
	ms := func(list ...int) (out []Sample) {
		for i := 0; i < len(list); i += 2 {
			out = append(out, Sample{time.Duration(list[i]) * time.Millisecond, time.Duration(list[i+1]) * time.Millisecond})
		}
		return out
	}
	for _, tt := range []struct {
		name                    string
		list                    []Sample
		offset, latency, jitter time.Duration
	}{
		{"one", ms(5, 1), 5 * time.Millisecond, time.Millisecond, 0},
		{"slow ones say nothing", ms(5, 1, 900, 1000, 5, 1, 800, 1000), 5 * time.Millisecond, time.Millisecond, 0},
		{"spread", ms(4, 1, 6, 1, 5, 1, 0, 9, 0, 9), 5 * time.Millisecond, time.Millisecond, 816496 * time.Nanosecond},
	} {
		got, err := Sum(tt.list)
		if err != nil || got.Offset != tt.offset || got.Latency != tt.latency || (got.Jitter-tt.jitter).Abs() > time.Microsecond {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
	if _, err := Sum(nil); err == nil {
		t.Error("of nothing: no error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<resp xmlns='" + NSNFI + "' hf='1' freq='2'>2018-07-02T09:47:38.5102314Z</resp>")
	f.Add("<resp xmlns='" + NSNFI + "'>2018-07-02T09:47:38+02:00</resp>")
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := wire.Parse(doc)
		if err != nil {
			return
		}
		if at, err := parse(e); err != nil && nodes.KindOf(err) != nodes.Invalid || err == nil && at.IsZero() && !strings.Contains(doc, "0001") {
			t.Errorf("%v, %v", at, err)
		}
	})
}
