select greatest(pg_column_size(messages), pg_column_size(metadata)) <= $maxBytes::int from (select $messages::text::jsonb as "messages", $metadata::text::jsonb as "metadata" offset 0) as input
