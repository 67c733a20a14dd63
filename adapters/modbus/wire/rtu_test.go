package wire

import (
	"bytes"
	"slices"
	"testing"
)

// The example of the specification's CRC (MSL 6.2.2): 02 07 has 41 12.
func TestCRC(t *testing.T) {
	if got := AppendRTU(nil, 2, 7, nil); !bytes.Equal(got, []byte{2, 7, 0x41, 0x12}) {
		t.Errorf("got % x", got)
	}
	if CRC([]byte{2, 7, 0x41, 0x12}) != 0 {
		t.Error("over a whole frame it is not 0")
	}
}

func TestAnswerSize(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    []byte
		want int
	}{
		{"nothing", nil, 0},
		{"unit only", []byte{1}, 0},
		{"no count yet", []byte{1, 3}, 0},
		{"registers", []byte{1, 3, 20}, 25},
		{"coils", []byte{1, 1, 1}, 6},
		{"exception", []byte{1, 0x83}, 5},
		{"write", []byte{1, 16}, 8},
		{"mask", []byte{1, 22}, 10},
		{"server id", []byte{1, 17, 4}, 9},
		{"identification, incomplete", []byte{1, 43, 14, 1, 1, 0, 0, 2, 0, 3, 'a', 'b', 'c'}, 0},
		{"identification", []byte{1, 43, 14, 1, 1, 0, 0, 2, 0, 3, 'a', 'b', 'c', 1, 0}, 17},
		{"another interface", []byte{1, 43, 13, 0, 0, 0, 0, 0}, -1},
		{"unknown", []byte{1, 99}, -1},
	} {
		if got := AnswerSize(tt.b); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestFindAnswer(t *testing.T) {
	own := AppendRTU(nil, 1, 3, []byte{2, 0, 7})
	refusal := AppendRTU(nil, 1, 0x83, []byte{2})
	other := AppendRTU(nil, 2, 3, []byte{2, 0, 9})
	wrong := slices.Clone(own)
	wrong[4] ^= 1
	for _, tt := range []struct {
		name           string
		b              []byte
		frame, foreign []byte
		skipped        int
	}{
		{"nothing", nil, nil, nil, 0},
		{"alone", own, own, nil, 7},
		{"an exception", refusal, refusal, nil, 5},
		{"behind noise", append([]byte{0xff, 0, 1, 3}, own...), own, nil, 11},
		{"behind another's", append(slices.Clone(other), own...), own, other, 14},
		{"only another's", other, nil, other, 7},
		{"begun", own[:5], nil, nil, 0},
		{"damaged", wrong, nil, nil, 0},
		{"damaged, then good", append(slices.Clone(wrong), own...), own, nil, 14},
	} {
		frame, foreign, skipped := FindAnswer(tt.b, 1, 3)
		if !bytes.Equal(frame, tt.frame) || !bytes.Equal(foreign, tt.foreign) || skipped != tt.skipped {
			t.Errorf("%s: % x, % x, %d; want % x, % x, %d", tt.name, frame, foreign, skipped, tt.frame, tt.foreign, tt.skipped)
		}
	}
}

// Whatever comes, a frame that is found is whole and sound, of whom it should be.
func FuzzFindAnswer(f *testing.F) {
	f.Add(append([]byte{1, 3, 5}, AppendRTU(nil, 1, 3, []byte{2, 0, 7})...), byte(1), byte(3))
	f.Add(AppendRTU(nil, 1, 43, []byte{14, 1, 1, 0, 0, 1, 0, 1, 'x'}), byte(1), byte(43))
	f.Fuzz(func(t *testing.T, b []byte, unit, function byte) {
		frame, foreign, skipped := FindAnswer(b, unit, function)
		if skipped < 0 || skipped > len(b) {
			t.Fatalf("skipped %d of %d", skipped, len(b))
		}
		if frame != nil && (CRC(frame) != 0 || frame[0] != unit || frame[1]&^Refuses != function || AnswerSize(frame) != len(frame)) {
			t.Fatalf("found % x", frame)
		}
		if foreign != nil && CRC(foreign) != 0 {
			t.Fatalf("foreign % x", foreign)
		}
		DescribeRTURequest(b)
		DescribeRTUAnswer(b, b)
	})
}
