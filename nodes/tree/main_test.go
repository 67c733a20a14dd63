package tree

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	firstPause, lastPause, stopTime = 5*time.Millisecond, 50*time.Millisecond, time.Second
	goleak.VerifyTestMain(m)
}
