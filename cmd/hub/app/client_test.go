package app

import (
	"errors"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
)

// TestPlain: what a hub answers is told as a person wants it.
func TestPlain(t *testing.T) {
	said := func(text string) error {
		return ext.Failed("read", nodes.In("tank"), &ext.StanzaError{Type: "cancel", Condition: "item-not-found", Text: text})
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{said("no node tank"), "no node tank"},
		{said("no data source " + nodes.DefaultSource), "this hub shows you no nodes"},
		{errors.New("else"), "else"},
	} {
		if got := plain(tt.err).Error(); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
		}
	}
}
