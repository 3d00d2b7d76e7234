package main

import (
	"fmt"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// readEnums gives for each enum of a descriptor set, by its full name, a list of
// its values with their comments, in Markdown.
func readEnums(name string) (map[string]string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(text, set); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return listEnums(set)
}

func listEnums(set *descriptorpb.FileDescriptorSet) (map[string]string, error) {
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	lists := map[string]string{}
	add := func(enums protoreflect.EnumDescriptors) {
		for i := range enums.Len() {
			lists[string(enums.Get(i).FullName())] = listValues(enums.Get(i))
		}
	}
	var nested func(messages protoreflect.MessageDescriptors)
	nested = func(messages protoreflect.MessageDescriptors) {
		for i := range messages.Len() {
			add(messages.Get(i).Enums())
			nested(messages.Get(i).Messages())
		}
	}
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		add(file.Enums())
		nested(file.Messages())
		return true
	})
	return lists, nil
}

// listValues says nothing of an enum without comments, as third-party ones are.
func listValues(enum protoreflect.EnumDescriptor) string {
	var list strings.Builder
	for i := range enum.Values().Len() {
		value := enum.Values().Get(i)
		comment := value.ParentFile().SourceLocations().ByDescriptor(value).LeadingComments
		if words := strings.Join(strings.Fields(comment), " "); words != "" {
			fmt.Fprintf(&list, "- `%s`: %s\n", value.Name(), words)
		}
	}
	return strings.TrimSuffix(list.String(), "\n")
}

// describeEnums adds the lists to the descriptions of the enums' schemas.
func (d *document) describeEnums(lists map[string]string) {
	for name, list := range lists {
		schema, ok := d.Components["schemas"][name].(map[string]any)
		if !ok || list == "" {
			continue
		}
		if description, _ := schema["description"].(string); description != "" {
			list = description + "\n\n" + list
		}
		schema["description"] = list
	}
}
