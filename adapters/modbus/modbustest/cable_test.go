package modbustest

import (
	"bytes"
	"context"
	"testing"
	"time"
)

func TestCable(t *testing.T) {
	c, a, b, err := NewCable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	for range 2 { // ends can be closed and opened again
		left, right := open(t, a, 9600), open(t, b, 9600)
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		if got := ask(t, left, all, 1, 20*time.Millisecond); len(got) > 0 {
			t.Errorf("an echo: % x", got)
		}
		if got := hear(right, 256, time.Second); !bytes.Equal(got, all) {
			t.Errorf("to the right: got % x", got)
		}
		right.Write(all)
		if got := hear(left, 256, time.Second); !bytes.Equal(got, all) {
			t.Errorf("to the left: got % x", got)
		}
		left.Close()
		right.Close()
	}
}
