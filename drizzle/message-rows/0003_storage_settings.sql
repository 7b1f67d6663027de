-- A message is written once and read whole: compression would cost time.
ALTER TABLE "journey_messages" ALTER COLUMN "message" SET STORAGE EXTERNAL;
