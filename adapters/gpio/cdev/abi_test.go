package cdev

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// The numbers are those that a C compiler makes of include/uapi/linux/gpio.h.
func TestRequestNumbers(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want uint
	}{
		{"GPIO_GET_CHIPINFO_IOCTL", getChipInfo, 0x8044B401},
		{"GPIO_V2_GET_LINEINFO_IOCTL", getLineInfo, 0xC100B405},
		{"GPIO_V2_GET_LINE_IOCTL", getLine, 0xC250B407},
		{"GPIO_V2_LINE_GET_VALUES_IOCTL", getValues, 0xC010B40E},
		{"GPIO_V2_LINE_SET_VALUES_IOCTL", setValues, 0xC010B40F},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %#x, want %#x", tt.name, tt.got, tt.want)
		}
	}
}

func TestRequest(t *testing.T) {
	b, err := encodeRequest(Request{Offset: 17, Consumer: "a name that is longer than the 31 bytes there are",
		Flags: Output | ActiveLow, Value: true, Debounce: 5 * time.Millisecond, Buffer: 5000})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what string
		at   int
		want uint32
	}{
		{"offset", 0, 17}, {"flags", 288, uint32(Output | ActiveLow)}, {"attributes", 296, 2},
		{"first attribute", 320, 2}, {"its value", 328, 1}, {"its lines", 336, 1},
		{"second attribute", 344, 3}, {"its value", 352, 5000}, {"its lines", 360, 1},
		{"lines", 560, 1}, {"buffer", 564, 1024}, {"padding", 568, 0},
	} {
		if got := order.Uint32(b[tt.at:]); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.what, got, tt.want)
		}
	}
	if got := string(b[256:288]); got != "a name that is longer than the \x00" {
		t.Errorf("consumer: got %q", got)
	}
	order.PutUint32(b[588:], 7)
	if got := requestFD(&b); got != 7 {
		t.Errorf("descriptor: got %d", got)
	}
	for _, d := range []time.Duration{-time.Second, 2 * time.Hour} {
		if _, err := encodeRequest(Request{Debounce: d}); err == nil {
			t.Errorf("a debounce of %v: no error", d)
		}
	}
}

func TestLineInfo(t *testing.T) {
	b := encodeLineInfo(3)
	copy(b[:], "GPIO17")
	copy(b[32:], "spi0 CS0")
	order.PutUint32(b[68:], 1)
	order.PutUint64(b[72:], uint64(Used|Input|BiasPullUp))
	order.PutUint32(b[80:], attrDebounce)
	order.PutUint32(b[88:], 1500)
	want := LineInfo{Offset: 3, Name: "GPIO17", Consumer: "spi0 CS0", Flags: Used | Input | BiasPullUp, Debounce: 1500 * time.Microsecond}
	if got := decodeLineInfo(&b); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	order.PutUint32(b[68:], 1000) // more than there can be
	decodeLineInfo(&b)
}

func TestChipInfo(t *testing.T) {
	var b [chipInfoSize]byte
	copy(b[:], "gpiochip0")
	copy(b[32:], "pinctrl-\xff")
	order.PutUint32(b[64:], 58)
	if got, want := decodeChipInfo(&b), (ChipInfo{"gpiochip0", "pinctrl-?", 58}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEvents(t *testing.T) {
	want := []Event{{Time: time.Second, Rising: true, Offset: 4, LineSeq: 1}, {Time: 2 * time.Second, Offset: 4, LineSeq: 2},
		{Time: 1<<63 - 1, Offset: 1<<31 - 1, LineSeq: 1<<32 - 1}}
	var b []byte
	for _, e := range want {
		b = AppendEvent(b, e)
	}
	r := NewReader(bytes.NewReader(b))
	var got []Event
	for list := make([]Event, 2); ; {
		n, err := r.Read(list)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, list[:n]...)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("no list: %d, %v", n, err)
	}
	for _, bad := range [][]byte{b[:eventSize-1], make([]byte, eventSize)} {
		if n, err := NewReader(bytes.NewReader(bad)).Read(make([]Event, 4)); n != 0 || err == nil {
			t.Errorf("%d bytes: %d edges, %v", len(bad), n, err)
		}
	}
}

func TestKernel(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"gpiochip10", "gpiochip2", "gpiochip0", "gpio"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	paths, err := Kernel{Dir: dir}.Paths()
	want := []string{dir + "/gpiochip0", dir + "/gpiochip2", dir + "/gpiochip10"}
	if err != nil || !reflect.DeepEqual(paths, want) {
		t.Errorf("got %v, %v, want %v", paths, err, want)
	}
	if _, err := (Kernel{}).Open(want[0]); err == nil {
		t.Error("a plain file was opened as a chip")
	}
	if _, err := (Kernel{}).Open(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if a, b := Now(), Now(); a <= 0 || b < a {
		t.Errorf("the clock: %v, then %v", a, b)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add(AppendEvent(nil, Event{Time: 1, Rising: true, Offset: 2, LineSeq: 3}))
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list := make([]Event, 8)
		n, err := decodeEvents(list, b)
		if err != nil {
			return
		}
		if want := min(len(b)/eventSize, len(list)); n != want {
			t.Fatalf("%d edges of %d bytes, want %d", n, len(b), want)
		}
		var again []byte
		for _, e := range list[:n] {
			again = AppendEvent(again, e)
		}
		twice := make([]Event, 8)
		if m, err := decodeEvents(twice, again); m != n || err != nil || !reflect.DeepEqual(list, twice) {
			t.Fatalf("round trip: %v, %v, want %v", twice, err, list)
		}
	})
}

func FuzzInfo(f *testing.F) {
	f.Add([]byte("GPIO17"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var line [lineInfoSize]byte
		copy(line[:], b)
		if got := decodeLineInfo(&line); len(got.Name) > 32 || len(got.Consumer) > 32 {
			t.Fatalf("%+v", got)
		}
		var chip [chipInfoSize]byte
		copy(chip[:], b)
		if got := decodeChipInfo(&chip); len(got.Name) > 32 || len(got.Label) > 32 {
			t.Fatalf("%+v", got)
		}
	})
}
