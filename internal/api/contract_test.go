package api_test

import (
	"strings"
	"testing"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/stint-jobs/stint/internal/api" // brings the files of the contract
)

// contractMessages calls do for each message of the contract.
func contractMessages(do func(protoreflect.MessageDescriptor)) {
	var within func(protoreflect.MessageDescriptors)
	within = func(messages protoreflect.MessageDescriptors) {
		for i := range messages.Len() {
			if !messages.Get(i).IsMapEntry() {
				do(messages.Get(i))
			}
			within(messages.Get(i).Messages())
		}
	}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if p := string(file.Package()); strings.HasPrefix(p, "stint.") && !strings.HasPrefix(p, "stint.store.") {
			within(file.Messages())
		}
		return true
	})
}

func behaviors(f protoreflect.FieldDescriptor) map[annotations.FieldBehavior]bool {
	all := map[annotations.FieldBehavior]bool{}
	list, _ := proto.GetExtension(f.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
	for _, b := range list {
		all[b] = true
	}
	return all
}

func TestEveryFieldOfTheContractSaysWhoWritesIt(t *testing.T) {
	seen := 0
	contractMessages(func(m protoreflect.MessageDescriptor) {
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			seen++
			n := 0
			for _, b := range []annotations.FieldBehavior{annotations.FieldBehavior_REQUIRED, annotations.FieldBehavior_OPTIONAL, annotations.FieldBehavior_OUTPUT_ONLY} {
				if behaviors(f)[b] {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%s: is %d of REQUIRED, OPTIONAL and OUTPUT_ONLY; want one", f.FullName(), n)
			}
			if strings.HasSuffix(string(m.Name()), "Response") && !behaviors(f)[annotations.FieldBehavior_OUTPUT_ONLY] {
				t.Errorf("%s: is in a response and not OUTPUT_ONLY", f.FullName())
			}
		}
	})
	if seen < 300 {
		t.Errorf("only %d fields were looked at", seen)
	}
}

// What a request may hold is bounded by the contract, so that clients can read each bound before they meet it.
func TestEveryFieldOfARequestIsBounded(t *testing.T) {
	seen := map[protoreflect.FullName]bool{}
	var within func(m protoreflect.MessageDescriptor)
	within = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] || !strings.HasPrefix(string(m.FullName()), "stint.") {
			return
		}
		seen[m.FullName()] = true
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			rules, _ := proto.GetExtension(f.Options(), validate.E_Field).(*validate.FieldRules)
			if behaviors(f)[annotations.FieldBehavior_OUTPUT_ONLY] || rules.GetIgnore() == validate.Ignore_IGNORE_ALWAYS {
				continue
			}
			if missing := unbounded(f, rules); missing != "" {
				t.Errorf("%s: has no %s", f.FullName(), missing)
			}
			if required := behaviors(f)[annotations.FieldBehavior_REQUIRED]; strings.HasSuffix(string(m.Name()), "Request") && required != rules.GetRequired() && rules.GetRepeated().GetMinItems() == 0 {
				t.Errorf("%s: REQUIRED: %t, and required by its rules: %t", f.FullName(), required, rules.GetRequired())
			}
			if f.Message() != nil && !f.IsMap() {
				within(f.Message())
			}
		}
	}
	contractMessages(func(m protoreflect.MessageDescriptor) {
		if strings.HasSuffix(string(m.Name()), "Request") {
			within(m)
		}
	})
	if len(seen) < 30 {
		t.Errorf("only %d messages were looked at", len(seen))
	}
}

// unbounded says which rule a field lacks.
func unbounded(f protoreflect.FieldDescriptor, rules *validate.FieldRules) string {
	switch {
	case f.IsMap():
		if rules.GetMap().GetMaxPairs() == 0 {
			return "max_pairs"
		}
		if missing := unbounded(f.MapKey(), rules.GetMap().GetKeys()); missing != "" {
			return missing + " of its keys"
		}
		return unbounded(f.MapValue(), rules.GetMap().GetValues())
	case f.IsList():
		if rules.GetRepeated().GetMaxItems() == 0 {
			return "max_items"
		}
		rules = rules.GetRepeated().GetItems()
	}
	switch f.Kind() {
	case protoreflect.StringKind:
		if rules.GetString().GetMaxBytes() == 0 {
			return "max_bytes"
		}
	case protoreflect.BytesKind:
		if rules.GetBytes().GetMaxLen() == 0 {
			return "max_len"
		}
	case protoreflect.EnumKind:
		if !rules.GetEnum().GetDefinedOnly() {
			return "defined_only"
		}
	case protoreflect.Int32Kind:
		if !rules.GetInt32().HasGte() && !rules.GetInt32().HasGt() {
			return "least value"
		}
	case protoreflect.Int64Kind:
		if !rules.GetInt64().HasGte() && !rules.GetInt64().HasGt() {
			return "least value"
		}
	case protoreflect.DoubleKind:
		if !rules.GetDouble().HasLte() {
			return "largest value"
		}
	default:
	}
	return ""
}
