package tree_test

import (
	"testing"

	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/nodes/tree/storetest"
)

type memoryBox struct{ *tree.Memory }

func (b memoryBox) Store() tree.Store { return b.Memory }
func (b memoryBox) Reopen()           {}

func TestMemoryIsAStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Box { return memoryBox{new(tree.Memory)} })
}
