package modbus

import (
	"context"
	"net"
	"slices"
	"strconv"
	"time"

	gb "github.com/goburrow/modbus"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/sniffer"
)

// Speed compares the adapter's line with bare goburrow, for benchmarks: each on
// one connection of its own to unit 1 of the device at addr, in turn, rounds times
// so many requests for ten holding registers from 0 on. It returns the medians of
// the rounds, as time per request. The line has a tap, as it has in use.
func Speed(ctx context.Context, addr string, rounds, requests int) (bare, line time.Duration, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, 0, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0, 0, err
	}
	h := gb.NewTCPClientHandler(addr)
	h.SlaveId, h.Timeout = 1, time.Second
	defer h.Close()
	client := gb.NewClient(h)

	lines := newPool(usual.line)
	l := lines.acquire(networkEndpoint(kindTCP, host, port))
	defer lines.release(l)
	c := &call{ctx: ctx, timeout: time.Second, unit: 1, node: "speed", tap: sniffer.NewTap()}
	r := wire.ReadRequest{Table: wire.HoldingRegister, First: 0, Count: 10}

	one := func(ask func() error) (time.Duration, error) {
		start := time.Now()
		for range requests {
			if err := ask(); err != nil {
				return 0, err
			}
		}
		return time.Since(start) / time.Duration(max(1, requests)), nil
	}
	var bares, ours []time.Duration
	for range max(1, rounds) {
		if ctx.Err() != nil {
			return 0, 0, ctx.Err()
		}
		took, err := one(func() error { _, err := client.ReadHoldingRegisters(0, 10); return err })
		if err != nil {
			return 0, 0, err
		}
		bares = append(bares, took)
		if took, err = one(func() error { return l.read(c, r) }); err != nil {
			return 0, 0, err
		}
		ours = append(ours, took)
	}
	slices.Sort(bares)
	slices.Sort(ours)
	return bares[len(bares)/2], ours[len(ours)/2], nil
}
