package modbus

import (
	"math/bits"
	"time"
)

// histogram counts response times, the latest about two thousand of them: when it
// is full all counts are halved. Four steps to an octave from 64 µs to 67 s.
type histogram struct {
	total  uint16
	counts [80]uint16
}

const histogramFull = 2048

// step returns in which count a time is.
func histogramStep(d time.Duration) int {
	n := uint64(max(d, 0)) >> 14 // 16 µs
	if n < 4 {
		return 0
	}
	octave := bits.Len64(n) - 3 // 4 to 7 are the first
	return min(4*octave+int(n>>octave)-4, len(histogram{}.counts)-1)
}

// histogramLimit is the time below which all of a count are.
func histogramLimit(step int) time.Duration {
	octave, part := step/4, step%4
	return time.Duration(4+part+1) << (octave + 14)
}

func (h *histogram) add(d time.Duration) {
	h.counts[histogramStep(d)]++
	if h.total++; h.total < histogramFull {
		return
	}
	h.total = 0
	for i := range h.counts {
		h.counts[i] /= 2
		h.total += h.counts[i]
	}
}

// quantile returns the time within which that part of all came, at most a fifth
// too long; 0: nothing was counted.
func (h *histogram) quantile(part float64) time.Duration {
	if h.total == 0 {
		return 0
	}
	want := uint16(part * float64(h.total))
	var sum uint16
	for i, n := range h.counts {
		if sum += n; n > 0 && sum > min(want, h.total-1) {
			return histogramLimit(i)
		}
	}
	return histogramLimit(len(h.counts) - 1)
}
