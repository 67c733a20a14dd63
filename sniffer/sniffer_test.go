package sniffer

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"
)

func TestNilTap(t *testing.T) {
	var tap *Tap
	tap.Rx("n", []byte{1})
	tap.Note(Info, "n", "x")
	if tap.Active() || tap.Recent() != nil {
		t.Error("a nil tap has listeners or events")
	}
	s := tap.Subscribe(time.Now().Add(time.Hour), 0, nil)
	s.Close()
	if _, _, ok := s.Next(context.Background()); ok {
		t.Error("Next on a closed subscription: ok")
	}
}

func TestRecentKeepsTheLast(t *testing.T) {
	tap := NewTap()
	for i := range Ring + 10 {
		tap.Note(Info, "", fmt.Sprint(i))
	}
	got := tap.Recent()
	if len(got) != Ring || got[0].Text != "10" || got[Ring-1].Text != fmt.Sprint(Ring+9) {
		t.Errorf("Recent: %d events, first %q, last %q", len(got), got[0].Text, got[len(got)-1].Text)
	}
}

func TestFramesAreCopies(t *testing.T) {
	tap := NewTap()
	frame := []byte{1, 2, 3}
	tap.Tx("n", frame)
	frame[0] = 9
	if got := tap.Recent()[0].Data[0]; got != 1 {
		t.Errorf("the tap kept the adapter's slice: got %d, want 1", got)
	}
}

// What somebody got stays as it was, whatever comes later.
func TestRecentIsACopy(t *testing.T) {
	tap := NewTap()
	s := tap.Subscribe(time.Now().Add(time.Hour), Ring, nil)
	defer s.Close()
	at := time.Unix(1700000000, 0)
	tap.Frame(at, TxBin, "n", []byte{1, 2, 3})
	first := tap.Recent()[0]
	heard, _, _ := s.Next(context.Background())
	for range Ring {
		tap.Frame(at, RxBin, "n", []byte{9, 9, 9})
	}
	for _, e := range []Event{first, heard[0]} {
		if !e.Time.Equal(at) || e.Kind != TxBin || e.Node != "n" || !bytes.Equal(e.Data, []byte{1, 2, 3}) {
			t.Errorf("got %+v, want what was passed", e)
		}
	}
}

// A remark in the place of a frame has none of its bytes.
func TestRemarkAfterFrame(t *testing.T) {
	tap := NewTap()
	for range Ring {
		tap.Rx("n", []byte{1})
	}
	tap.Note(Info, "", "x")
	if e := tap.Recent()[Ring-1]; len(e.Data) != 0 || e.Text != "x" {
		t.Errorf("got %+v, want a remark alone", e)
	}
}

// Frames that nobody listens to cost no memory.
func TestFrameAllocatesNothing(t *testing.T) {
	tap := NewTap()
	frame := make([]byte, 260)
	at := time.Now()
	pass := func() { tap.Frame(at, RxBin, "n", frame) }
	for range Ring {
		pass()
	}
	if n := testing.AllocsPerRun(1000, pass); n != 0 {
		t.Errorf("%v allocations a frame", n)
	}
}

func TestSubscription(t *testing.T) {
	tap := NewTap()
	s := tap.Subscribe(time.Now().Add(time.Hour), 4, func(node string) bool { return node == "a" })
	defer s.Close()
	if !tap.Active() {
		t.Error("Active: false with a subscription")
	}
	tap.Note(Info, "b", "other node")
	tap.Note(Info, "", "whole line")
	for i := range 5 {
		tap.Note(Info, "a", fmt.Sprint(i))
	}
	events, dropped, ok := s.Next(context.Background())
	if len(events) != 4 || dropped != 2 || !ok || events[0].Text != "1" {
		t.Errorf("Next: %d events, first %q, %d dropped, %v; want 4, \"1\", 2, true", len(events), events[0].Text, dropped, ok)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, _, ok := s.Next(ctx); ok {
		t.Error("Next after ctx: ok")
	}
	s.Close()
	if tap.Active() {
		t.Error("Active: true after Close")
	}
}

func TestExpiry(t *testing.T) {
	tap := NewTap()
	s := tap.Subscribe(time.Now().Add(10*time.Millisecond), 0, nil)
	events, _, ok := s.Next(context.Background())
	if ok || len(events) != 1 || events[0].Kind != Expired {
		t.Errorf("Next: %v, %v; want one Expired and false", events, ok)
	}
	if tap.Active() {
		t.Error("Active: true after expiry")
	}
}
