package kv

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/stint-jobs/stint/internal/store/kv/faultfs"
)

func TestMain(m *testing.M) {
	if faultfs.IsChild() {
		os.Exit(faultfs.Serve())
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("go.etcd.io/bbolt.(*Tx).writeMeta")) // of TestUnreadableMetaPagesHangNobody, where it waits for ever
}
