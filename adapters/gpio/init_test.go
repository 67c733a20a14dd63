package gpio

import "testing"

func runAsInit(m *testing.M) int { return m.Run() }
