"""Operations of the platform, one class per concern; they use the store and the bus through interfaces."""
