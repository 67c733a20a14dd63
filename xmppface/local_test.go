package xmppface

import (
	"log/slog"
	"testing"

	"github.com/fieldhub/hub/xmppface/local"
	"github.com/fieldhub/hub/xmppface/local/localtest"
)

func TestLocal(t *testing.T) { runBodies(t, localtest.Start(t, nil)) }

// BenchmarkLocal is BenchmarkEcho through our own server.
func BenchmarkLocal(b *testing.B) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	benchmarkEcho(b, localtest.Start(b, func(c *local.Config) { c.Log = slog.New(slog.DiscardHandler) }))
}
